//! A network that holds back, refuses, and cuts whatever there is.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use bus_log::{Expect, LogErrorKind, SessionLog};

use super::killed::{all_there, noticed};
use super::recipe::{append, surely, texts};
use super::server::{OnServer, Proxied, open, rounds};
use super::writer::{Writer, let_write};
use crate::{Options, Way, block_on, runtime, samples};

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
pub fn an_append_that_the_network_held_back_never_lands_after_its_retry<S: OnServer>(
    start: &impl Fn() -> S,
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
pub fn an_append_that_the_network_held_back_never_lands_after_an_erasure<S: OnServer>(
    start: &impl Fn() -> S,
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
pub fn an_erasure_that_the_network_held_back_never_takes_a_later_append<S: OnServer>(
    start: &impl Fn() -> S,
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
        surely(|| append(&log, &key, "after", 1));
        proxied.proxy.release();
        others_come_and_go(&log);
        assert_eq!(texts(&log, &key), ["before 0", "after 0"]);
    }
}

/// A thousand appends that find no connection fail, each of them, and the log is as good as before.
pub fn a_thousand_refused_connections_leave_the_log_usable<S: OnServer>(start: &impl Fn() -> S) {
    let proxied = Proxied::start(start);
    let (log, key) = (proxied.open(Options::default()), samples::key("s"));
    append(&log, &key, "before", 1).expect("an append");
    proxied.proxy.refuse(true);
    proxied.proxy.cut_all();
    for done in a_thousand_appends(&log, |n| format!("s{n}")) {
        let error = done.expect_err("there is no connection");
        assert_eq!(error.kind(), LogErrorKind::Unavailable, "{error:?}");
    }
    proxied.proxy.refuse(false);
    assert_eq!(append(&log, &key, "after", 1).expect("an append"), 2);
}

/// A thousand tasks that append at once all get through, however few connections the log has.
pub fn a_thousand_tasks_at_once_are_all_served<S: OnServer>(start: &impl Fn() -> S) {
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

/// Who follows sees everything once, whatever is cut meanwhile.
pub fn a_cut_follower_goes_on_where_it_was<S: OnServer>(start: &impl Fn() -> S) {
    const ALL: u64 = 100;
    let proxied = Proxied::start(start);
    let (log, key) = (proxied.open(Options::default()), samples::key("s"));
    let writer = open(&proxied.server, Options::default());
    let follower = thread::spawn({
        let key = key.clone();
        move || {
            let begun = Instant::now();
            let mut seen: Vec<u64> = Vec::new();
            while (seen.len() as u64) < ALL {
                assert!(begun.elapsed() < super::recipe::PATIENCE, "{seen:?}");
                let last = seen.len() as u64;
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
    for n in 0..ALL {
        append(&writer, &key, "x", 1).expect("an append");
        if n % 10 == 0 {
            proxied.proxy.cut_all();
        }
    }
    let seen = follower.join().expect("the follower finds nothing wrong");
    assert!(seen.iter().copied().eq(1..=ALL), "{seen:?}");
}

/// Connections that the network cuts under writers lose nothing.
pub fn connections_that_are_cut_at_random_lose_nothing<S: OnServer>(start: &impl Fn() -> S) {
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
