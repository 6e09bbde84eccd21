//! Who waits is woken, by whom it may be written, and also after the connection for news was lost.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use bus_log::SessionLog;
use bus_log_nats::NatsSessionLog;
use bus_testkit::{FaultProxy, block_on, samples};

use crate::support::{Stream, address, append, open, url};

const LIMIT: Duration = Duration::from_secs(20);

/// A log that does not look by itself within the test's time.
fn that_waits_for_news(stream: &Stream) -> Arc<NatsSessionLog> {
    Arc::new(
        open(
            stream
                .config()
                .with_poll_interval(Duration::from_secs(3600)),
        )
        .unwrap(),
    )
}

/// Waits on a thread of its own, from where it begins to wait on.
fn waiting(log: &Arc<NatsSessionLog>, after: u64) -> thread::JoinHandle<(u64, Duration)> {
    let log = Arc::clone(log);
    thread::spawn(move || {
        let begun = Instant::now();
        // 0 for a wait that was cut.
        let changed = block_on(log.changed(&samples::key("s"), after, begun + LIMIT));
        let last = changed.unwrap_or_default();
        (last, begun.elapsed())
    })
}

fn listeners(stream: &Stream, log: &Arc<NatsSessionLog>) {
    // A first wait that has heard something shows that news come.
    let waiting = waiting(log, 0);
    let other = stream.open();
    assert_eq!(append(&other, &samples::key("s"), "first", 1).unwrap(), 1);
    assert_eq!(waiting.join().unwrap().0, 1);
}

#[test]
fn an_append_of_another_handle_wakes_who_waits() {
    let stream = Stream::new();
    let log = that_waits_for_news(&stream);
    listeners(&stream, &log);
    let other = stream.open();
    for after in 1..20 {
        let waiting = waiting(&log, after);
        append(&other, &samples::key("s"), "x", 1).unwrap();
        let (last, took) = waiting.join().unwrap();
        assert_eq!(last, after + 1);
        assert!(took < LIMIT / 2, "told after {took:?}");
    }
}

#[test]
fn an_append_of_its_own_wakes_who_waits() {
    let stream = Stream::new();
    let log = that_waits_for_news(&stream);
    let waiting = waiting(&log, 0);
    append(&*log, &samples::key("other"), "x", 1).unwrap();
    append(&*log, &samples::key("s"), "x", 1).unwrap();
    let (last, took) = waiting.join().unwrap();
    assert_eq!(last, 1);
    assert!(took < LIMIT / 2, "told after {took:?}");
}

#[test]
fn what_happens_while_news_are_cut_off_is_caught_up_with() {
    let stream = Stream::new();
    let proxy = FaultProxy::new(address(&url())).unwrap();
    let config = stream.config_at(&format!("nats://{}", proxy.address()));
    let log = Arc::new(open(config.with_poll_interval(Duration::from_secs(3600))).unwrap());
    listeners(&stream, &log);
    let other = stream.open();
    for after in 1..6 {
        let waiting = waiting(&log, after);
        proxy.cut_all();
        append(&other, &samples::key("s"), "x", 1).unwrap();
        // A wait that was cut is asked again, as `follow` does.
        let (last, took) = match waiting.join().unwrap() {
            (0, _) => again(&log, after),
            told => told,
        };
        assert_eq!(last, after + 1);
        assert!(took < LIMIT / 2, "told after {took:?}");
    }
}

fn again(log: &Arc<NatsSessionLog>, after: u64) -> (u64, Duration) {
    loop {
        match waiting(log, after).join().unwrap() {
            (0, _) => {}
            told => return told,
        }
    }
}
