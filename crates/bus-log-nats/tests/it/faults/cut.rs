//! A network that cuts, holds and refuses.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use bus_log::{Expect, LogErrorKind, SessionLog};
use bus_testkit::{FaultProxy, Way, block_on, runtime, samples};
use local_servers::ScratchNats;

use super::server::own;
use crate::support::{Stream, append, append_for_sure, open, texts, until_done};

fn proxied() -> (ScratchNats, Stream, FaultProxy, String) {
    let server = own();
    let stream = Stream::at(&server.url());
    let proxy = FaultProxy::new(([127, 0, 0, 1], server.port()).into()).unwrap();
    let through = local_servers::Nats::url_at(proxy.address().port());
    (server, stream, proxy, through)
}

/// Cuts the connection after each count of bytes of an append's question, or of its answer.
fn cut_at_every_byte(way: Way) -> u32 {
    let (_server, stream, proxy, through) = proxied();
    let log = Arc::new(open(stream.config_at(&through)).unwrap());
    let key = samples::key("s");
    let (mut expected, mut position, mut landed, mut survived) = (Vec::new(), 0, 0, 0);
    loop {
        let name = format!("cut {position}");
        let batch = samples::batch(&name, 2);
        append_for_sure(&log, &key, &samples::batch("before", 1), |_| {});
        expected.push("before 0".to_owned());
        proxy.cut_after(way, position);
        let first = block_on(log.append_entries(&key, Expect::Any, &batch));
        let has_cut = proxy.has_cut();
        proxy.heal();
        expected.extend((0..2).map(|part| format!("{name} {part}")));
        match first {
            // The whole exchange is shorter than this.
            Ok(_) if !has_cut => break,
            // The log found out by itself what became of it, or sent it again.
            Ok(_) => {
                survived += 1;
                position += 1;
            }
            Err(error) => {
                assert_eq!(error.kind(), LogErrorKind::Unavailable, "{error:?}");
                let last = expected.len() as u64;
                let deadline = Instant::now() + Duration::from_secs(30);
                let now = loop {
                    match block_on(log.bounds(&key)) {
                        Ok(bounds) => break bounds.last,
                        Err(error) => assert_eq!(error.kind(), LogErrorKind::Unavailable),
                    }
                    assert!(Instant::now() < deadline, "it never comes back");
                };
                if now == last {
                    landed += 1;
                } else {
                    assert_eq!(now, last - 2, "wholly absent");
                    let retried = log.append_entries(&key, Expect::Last(now), &batch);
                    match block_on(retried) {
                        Ok(end) => assert_eq!(end, last),
                        // It landed after we looked, and before it was settled.
                        Err(error) => assert_eq!(error.actual(), Some(last), "{error:?}"),
                    }
                }
                position += 1;
            }
        }
    }
    assert_eq!(texts(&*log, &key), expected);
    println!(
        "cut {way:?} at each of {position} bytes: {survived} appends got through all the same, {landed} had landed, none twice"
    );
    u32::try_from(position).unwrap()
}

#[test]
fn a_question_that_is_cut_at_any_byte_is_whole_or_absent() {
    assert!(cut_at_every_byte(Way::ToServer) > 100);
}

#[test]
fn an_answer_that_is_cut_at_any_byte_is_whole_or_absent() {
    assert!(cut_at_every_byte(Way::ToClient) > 50);
}

#[test]
fn an_append_that_the_network_held_back_never_lands_after_its_retry() {
    let (_server, stream, proxy, through) = proxied();
    let config = stream
        .config_at(&through)
        .with_timeout(Duration::from_millis(200));
    let log = open(config).unwrap();
    let key = samples::key("s");
    for n in 0..5 {
        append(&log, &key, "before", 1).unwrap();
        proxy.hold(Way::ToServer);
        let error = append(&log, &key, "held", 3).unwrap_err();
        assert_eq!(error.kind(), LogErrorKind::Unavailable);
        // The recipe, while the first one is still on its way.
        let last = until_done(&mut |_| {}, || block_on(log.bounds(&key))).last;
        assert_eq!(last, n * 4 + 1);
        let batch = samples::batch("held", 3);
        let end = block_on(log.append_entries(&key, Expect::Last(last), &batch)).unwrap();
        assert_eq!(end, last + 3);
        proxy.release();
    }
    // What was held has arrived by the time that others have come and gone.
    for _ in 0..20 {
        append(&log, &samples::key("other"), "x", 1).unwrap();
    }
    assert_eq!(texts(&log, &key).len(), 20);
}

#[test]
fn an_append_that_the_network_held_back_never_lands_after_an_erasure() {
    let (_server, stream, proxy, through) = proxied();
    let config = stream
        .config_at(&through)
        .with_timeout(Duration::from_millis(200));
    let log = open(config).unwrap();
    let key = samples::key("s");
    for archives in [false, true] {
        append(&log, &key, "before", 2).unwrap();
        proxy.hold(Way::ToServer);
        let error = append(&log, &key, "held", 3).unwrap_err();
        assert_eq!(error.kind(), LogErrorKind::Unavailable);
        if archives {
            let hidden = until_done(&mut |_| {}, || block_on(log.archive_before(&key, u64::MAX)));
            assert_eq!(hidden, 2);
        } else {
            until_done(&mut |_| {}, || block_on(log.erase(&key)));
        }
        proxy.release();
        // What was held has arrived by the time that others have come and gone.
        for _ in 0..20 {
            append(&log, &samples::key("other"), "x", 1).unwrap();
        }
        assert!(texts(&log, &key).is_empty(), "archives: {archives}");
    }
}

#[test]
fn an_erasure_that_the_network_held_back_never_takes_a_later_append() {
    let (_server, stream, proxy, through) = proxied();
    let config = stream
        .config_at(&through)
        .with_timeout(Duration::from_millis(200));
    let log = open(config).unwrap();
    let key = samples::key("s");
    append(&log, &key, "before", 1).unwrap();
    proxy.hold(Way::ToServer);
    let error = block_on(log.erase(&key)).unwrap_err();
    assert_eq!(error.kind(), LogErrorKind::Unavailable);
    until_done(&mut |_| {}, || append(&log, &key, "after", 1));
    proxy.release();
    for _ in 0..20 {
        append(&log, &samples::key("other"), "x", 1).unwrap();
    }
    assert_eq!(texts(&log, &key), ["before 0", "after 0"]);
}

#[test]
fn a_thousand_refused_connections_leave_the_log_usable() {
    let (_server, stream, proxy, through) = proxied();
    let log = Arc::new(open(stream.config_at(&through)).unwrap());
    let key = samples::key("s");
    append(&*log, &key, "before", 1).unwrap();
    proxy.refuse(true);
    proxy.cut_all();
    runtime().block_on(async {
        let appends = (0..1000).map(|n| {
            let log = Arc::clone(&log);
            tokio::spawn(async move {
                log.append(&samples::key(&format!("s{n}")), &[samples::text("x")])
                    .await
            })
        });
        for append in appends.collect::<Vec<_>>() {
            let error = append.await.unwrap().unwrap_err();
            assert_eq!(error.kind(), LogErrorKind::Unavailable, "{error:?}");
        }
    });
    proxy.refuse(false);
    assert_eq!(append(&*log, &key, "after", 1).unwrap(), 2);
}

#[test]
fn a_cut_follower_goes_on_where_it_was() {
    let (_server, stream, proxy, through) = proxied();
    let log = Arc::new(open(stream.config_at(&through)).unwrap());
    let (writer, key) = (open(stream.config()).unwrap(), samples::key("s"));
    let follower = thread::spawn({
        let (log, key) = (Arc::clone(&log), key.clone());
        move || {
            let mut seen = Vec::new();
            while seen.len() < 100 {
                let last = seen.len() as u64;
                let deadline = std::time::Instant::now() + Duration::from_secs(5);
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
    for n in 0..100 {
        append(&writer, &key, "x", 1).unwrap();
        if n % 10 == 0 {
            proxy.cut_all();
        }
    }
    assert!(follower.join().unwrap().into_iter().eq(1..=100));
}
