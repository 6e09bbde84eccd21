//! A network that holds back, refuses, and cuts whatever there is.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use bus_log::{Expect, LogErrorKind, SessionLog};

use super::killed::{all_there, noticed};
use super::recipe::{PATIENCE, append, append_for_sure, surely, texts};
use super::server::{OnServer, Proxied, ServedLog, open, open_at, rounds};
use super::writer::{Writer, let_write};
use crate::{Options, Way, block_on, eventually, runtime, samples};

/// A log that gives a call up after 2 s: shorter, and a busy machine's own calls are given up.
fn impatient() -> Options {
    Options {
        call: Some(Duration::from_secs(2)),
        ..Options::default()
    }
}

/// What was held has arrived by the time that others have come and gone.
fn others_come_and_go(log: &dyn SessionLog) {
    for _ in 0..20 {
        surely(|| append(log, &samples::key("other"), "x", 1));
    }
}

/// An append that is still on its way when it is given up does not land once its retry has.
pub fn an_append_that_the_network_held_back_never_lands_after_its_retry<L: ServedLog>(
    start: &impl Fn() -> OnServer<L>,
) {
    let proxied = Proxied::start(start);
    let (log, key) = (proxied.open(impatient()), samples::key("s"));
    let mut expected = Vec::new();
    for n in 0..3 {
        append(&log, &key, &format!("before {n}"), 1).expect("an append");
        proxied.proxy.hold(Way::ToServer);
        let held = format!("held {n}");
        let error = append(&log, &key, &held, 3).expect_err("it is held");
        assert_eq!(error.kind(), LogErrorKind::Unavailable);
        // The recipe, while the first one is still on its way.
        let last = surely(|| block_on(log.bounds(&key))).last;
        assert_eq!(last, n * 4 + 1);
        let batch = samples::batch(&held, 3);
        let retried = block_on(log.append_entries(&key, Expect::Last(last), &batch));
        assert_eq!(retried.expect("a retry"), last + 3);
        proxied.proxy.release();
        expected.push(format!("before {n} 0"));
        expected.extend((0..3).map(|part| format!("{held} {part}")));
    }
    others_come_and_go(&log);
    assert_eq!(texts(&log, &key), expected);
}

/// Nor once the thread was erased, or archived to its end.
pub fn an_append_that_the_network_held_back_never_lands_after_an_erasure<L: ServedLog>(
    start: &impl Fn() -> OnServer<L>,
) {
    let proxied = Proxied::start(start);
    let (log, key) = (proxied.open(impatient()), samples::key("s"));
    for archives in [false, true] {
        let last = append(&log, &key, "before", 2).expect("an append");
        proxied.proxy.hold(Way::ToServer);
        let error = append(&log, &key, "held", 3).expect_err("it is held");
        assert_eq!(error.kind(), LogErrorKind::Unavailable);
        if archives {
            let hidden = surely(|| block_on(log.archive_before(&key, u64::MAX)));
            assert_eq!(hidden, 2);
        } else {
            surely(|| block_on(log.erase(&key)));
        }
        proxied.proxy.release();
        others_come_and_go(&log);
        assert_eq!(texts(&log, &key), [""; 0], "archives: {archives}");
        let now = block_on(log.bounds(&key)).map(|bounds| bounds.last);
        assert_eq!(now.ok(), Some(last), "archives: {archives}");
    }
}

/// An erasure, or an archiving, that is still on its way when it is given up takes nothing that was appended since.
pub fn an_erasure_that_the_network_held_back_never_takes_a_later_append<L: ServedLog>(
    start: &impl Fn() -> OnServer<L>,
) {
    let proxied = Proxied::start(start);
    let log = proxied.open(impatient());
    for archives in [false, true] {
        let key = samples::key(if archives { "archived" } else { "erased" });
        append(&log, &key, "before", 1).expect("an append");
        proxied.proxy.hold(Way::ToServer);
        let held = if archives {
            block_on(log.archive_before(&key, u64::MAX)).map(drop)
        } else {
            block_on(log.erase(&key))
        };
        let error = held.expect_err("it is held");
        assert_eq!(error.kind(), LogErrorKind::Unavailable);
        append_for_sure(&log, &key, &samples::batch("after", 1), |_| {});
        proxied.proxy.release();
        others_come_and_go(&log);
        assert_eq!(texts(&log, &key), ["before 0", "after 0"]);
    }
}

/// Appends that find no connection fail, each of them, and so does opening the log; after a thousand connections that were
/// refused it is as good as before.
pub fn a_thousand_refused_connections_leave_the_log_usable<L: ServedLog>(
    start: &impl Fn() -> OnServer<L>,
) {
    const REFUSED: u64 = 1000;
    const SIDE_BY_SIDE: u32 = 8;
    let proxied = Proxied::start(start);
    // Who is refused again and again gives up soon.
    let options = Options {
        call: Some(Duration::from_millis(200)),
        connect: Some(Duration::from_millis(200)),
        ..Options::default()
    };
    let log = surely(|| open_at::<L>(&proxied.place(), options));
    let key = samples::key("s");
    let before = append_for_sure(&log, &key, &samples::batch("before", 1), |_| {});
    proxied.proxy.refuse(true);
    proxied.proxy.cut_all();
    for done in a_thousand_appends(&log, |n| format!("s{n}")) {
        let error = done.expect_err("there is no connection");
        assert_eq!(error.kind(), LogErrorKind::Unavailable, "{error:?}");
    }
    let (own, begun) = (proxied.proxy.refused(), Instant::now());
    assert!(own > 0, "it was refused");
    // A log may connect for all who append at once, and pause between two tries: who opens it meanwhile has the rest.
    let mut openings = 0;
    while proxied.proxy.refused() < REFUSED {
        let refused = proxied.proxy.refused();
        assert!(begun.elapsed() < PATIENCE, "{refused} refused");
        thread::scope(|scope| {
            for _ in 0..SIDE_BY_SIDE {
                scope.spawn(|| {
                    let opened = open_at::<L>(&proxied.place(), options);
                    let error = opened.err().expect("there is no connection");
                    assert_eq!(error.kind(), LogErrorKind::Unavailable, "{error:?}");
                });
            }
        });
        openings += SIDE_BY_SIDE;
    }
    let refused = proxied.proxy.refused();
    println!(
        "{refused} connections refused: {own} in 1000 appends, the rest in {openings} openings"
    );
    assert!(refused >= REFUSED);
    proxied.proxy.refuse(false);
    let after = append_for_sure(&log, &key, &samples::batch("after", 1), |_| {});
    assert_eq!(after, before + 1);
}

/// A thousand tasks that append at once all get through, however few connections the log has.
pub fn a_thousand_tasks_at_once_are_all_served<L: ServedLog>(start: &impl Fn() -> OnServer<L>) {
    let server = start();
    let log = open(&server, Options::default());
    for done in a_thousand_appends(&log, |n| format!("s{}", n % 7)) {
        done.expect("an append");
    }
    let lasts = (0..7).map(|n| block_on(log.bounds(&samples::key(&format!("s{n}")))));
    let sum: u64 = lasts.map(|bounds| bounds.expect("bounds").last).sum();
    assert_eq!(sum, 1000);
}

fn a_thousand_appends(
    log: &Arc<dyn SessionLog>,
    thread: impl Fn(u32) -> String,
) -> Vec<bus_log::Result<u64>> {
    runtime().block_on(async {
        let appends = (0..1000).map(|n| {
            let (log, key) = (Arc::clone(log), samples::key(&thread(n)));
            tokio::spawn(async move { log.append(&key, &[samples::text(n.to_string())]).await })
        });
        let mut done = Vec::new();
        for append in appends.collect::<Vec<_>>() {
            done.push(append.await.expect("no append panics"));
        }
        done
    })
}

/// Who follows sees everything once, whatever is cut while it waits for more.
pub fn a_cut_follower_goes_on_where_it_was<L: ServedLog>(start: &impl Fn() -> OnServer<L>) {
    const ALL: u64 = 100;
    let proxied = Proxied::start(start);
    let (log, key) = (proxied.open(Options::default()), samples::key("s"));
    let writer = open(&proxied.server, Options::default());
    let has_seen = Arc::<AtomicU64>::default();
    let follower = thread::spawn({
        let (key, has_seen) = (key.clone(), Arc::clone(&has_seen));
        move || {
            let begun = Instant::now();
            let mut seen: Vec<u64> = Vec::new();
            while (seen.len() as u64) < ALL {
                assert!(begun.elapsed() < PATIENCE, "{seen:?}");
                let last = seen.len() as u64;
                has_seen.store(last, Ordering::SeqCst);
                let deadline = Instant::now() + Duration::from_secs(5);
                // What fails is asked again, as `follow` does.
                if block_on(log.changed(&key, last, deadline)).is_ok()
                    && let Ok(page) = block_on(log.read(&key, last, 1000))
                {
                    seen.extend(page.events.into_iter().map(|event| event.ordinal));
                }
            }
            seen
        }
    });
    let mut cuts = 0;
    for n in 0..ALL {
        if n % 10 == 0 {
            // It has all that there is, so that it waits for more.
            let waits = eventually(PATIENCE, || has_seen.load(Ordering::SeqCst) == n);
            assert!(waits, "the follower has come to {n}");
            proxied.proxy.cut_all();
            cuts += 1;
        }
        append(&writer, &key, "x", 1).expect("an append");
    }
    let seen = follower.join().expect("the follower finds nothing wrong");
    assert!(seen.iter().copied().eq(1..=ALL), "{seen:?}");
    println!("a follower cut {cuts} times while it waited: {ALL} events, each once");
}

/// Connections that the network cuts under writers lose nothing.
pub fn connections_that_are_cut_at_random_lose_nothing<L: ServedLog>(
    start: &impl Fn() -> OnServer<L>,
) {
    let proxied = Proxied::start(start);
    let log = proxied.open(Options::default());
    let writers = ["a", "b", "c"].map(|name| Writer::start(&log, name));
    let cuts = rounds(20);
    for _ in 0..cuts {
        let_write(&writers, 1);
        proxied.proxy.cut_all();
    }
    let_write(&writers, 3);
    let errors = all_there(&log, writers, &format!("all connections cut {cuts} times"));
    noticed(&proxied.server, errors.iter().sum());
}
