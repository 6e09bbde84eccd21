//! Who waits is woken, by whom it may be written, and also after the connection for news was lost.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use bus_log::{LogErrorKind, SessionLog};
use bus_log_redis::RedisSessionLog;
use bus_testkit::{block_on, samples};

use crate::faults::own;
use crate::support::{Log, append, open};

const LIMIT: Duration = Duration::from_secs(20);

/// A log that does not look by itself within the test's time.
fn that_waits_for_news(made: &Log) -> Arc<RedisSessionLog> {
    Arc::new(open(made.config().with_poll_interval(Duration::from_secs(3600))).unwrap())
}

/// Waits on a thread of its own, from where it begins to wait on.
fn waiting(log: &Arc<RedisSessionLog>, after: u64) -> thread::JoinHandle<(u64, Duration)> {
    let log = Arc::clone(log);
    thread::spawn(move || {
        let begun = Instant::now();
        let changed = || block_on(log.changed(&samples::key("s"), after, begun + LIMIT));
        let last = loop {
            match changed() {
                Ok(last) => break last,
                // Its connection was cut: whoever waits asks again, as `follow` does.
                Err(error) => assert_eq!(error.kind(), LogErrorKind::Unavailable, "{error:?}"),
            }
        };
        (last, begun.elapsed())
    })
}

fn listeners(made: &Log, log: &Arc<RedisSessionLog>) {
    // A first wait that has heard something shows that news come.
    let waiting = waiting(log, 0);
    let other = made.open();
    assert_eq!(append(&other, &samples::key("s"), "first", 1).unwrap(), 1);
    assert_eq!(waiting.join().unwrap().0, 1);
}

#[test]
fn an_append_of_another_handle_wakes_who_waits() {
    let made = Log::new();
    let log = that_waits_for_news(&made);
    listeners(&made, &log);
    let other = made.open();
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
    let made = Log::new();
    let log = that_waits_for_news(&made);
    let waiting = waiting(&log, 0);
    append(&*log, &samples::key("other"), "x", 1).unwrap();
    append(&*log, &samples::key("s"), "x", 1).unwrap();
    let (last, took) = waiting.join().unwrap();
    assert_eq!(last, 1);
    assert!(took < LIMIT / 2, "told after {took:?}");
}

#[test]
fn what_happens_while_news_are_cut_off_is_caught_up_with() {
    // Whose clients are all ours.
    let server = own();
    let made = Log::at(&server.url());
    let log = that_waits_for_news(&made);
    listeners(&made, &log);
    let other = made.open();
    let mut ours = made.ask();
    for after in 1..6 {
        let waiting = waiting(&log, after);
        ours.run::<u32>(&["CLIENT", "KILL", "TYPE", "pubsub"]);
        append(&other, &samples::key("s"), "x", 1).unwrap();
        let (last, took) = waiting.join().unwrap();
        assert_eq!(last, after + 1);
        assert!(took < LIMIT / 2, "told after {took:?}");
    }
}
