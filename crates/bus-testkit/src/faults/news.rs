//! Who waits is woken, by whomever it may be written, and also after the connection for news was lost.

use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use bus_log::{LogErrorKind, SessionLog};

use super::recipe::append;
use super::server::{OnServer, Proxied, ServedLog, open};
use crate::{Options, block_on, samples};

const LIMIT: Duration = Duration::from_secs(20);

/// A log that does not look by itself within the test's time.
fn that_waits_for_news() -> Options {
    Options {
        poll: Some(Duration::from_secs(3600)),
        ..Options::default()
    }
}

/// Waits on a thread of its own, from where it begins to wait on.
fn waiting(log: &Arc<dyn SessionLog>, after: u64, may_fail: bool) -> JoinHandle<(u64, Duration)> {
    let log = Arc::clone(log);
    thread::spawn(move || {
        let begun = Instant::now();
        let deadline = begun + LIMIT;
        let last = loop {
            match block_on(log.changed(&samples::key("s"), after, deadline)) {
                Ok(last) => break last,
                // Its connection was cut: whoever waits asks again, as `follow` does.
                Err(error) => {
                    assert_eq!(error.kind(), LogErrorKind::Unavailable, "{error:?}");
                    assert!(may_fail && Instant::now() < deadline, "{error:?}");
                }
            }
        };
        (last, begun.elapsed())
    })
}

#[track_caller]
fn woken(waiting: JoinHandle<(u64, Duration)>, expected: u64) {
    let (last, took) = waiting.join().expect("who waits finds nothing wrong");
    assert_eq!(last, expected);
    assert!(took < LIMIT / 2, "told after {took:?}");
}

/// A first wait that has heard something shows that news come.
fn listeners(log: &Arc<dyn SessionLog>, other: &dyn SessionLog) {
    let waiting = waiting(log, 0, false);
    let first = append(other, &samples::key("s"), "first", 1);
    assert_eq!(first.ok(), Some(1));
    let (last, _) = waiting.join().expect("who waits finds nothing wrong");
    assert_eq!(last, 1);
}

/// An append through another handle, as of another process, wakes who waits, long before it would look by itself.
pub fn an_append_of_another_handle_wakes_who_waits<L: ServedLog>(start: &impl Fn() -> OnServer<L>) {
    let server = start();
    let log = open(&server, that_waits_for_news());
    let other = open(&server, Options::default());
    listeners(&log, &other);
    for after in 1..20 {
        let waiting = waiting(&log, after, false);
        append(&other, &samples::key("s"), "x", 1).expect("an append");
        woken(waiting, after + 1);
    }
}

/// An append through the same handle does.
pub fn an_append_of_its_own_wakes_who_waits<L: ServedLog>(start: &impl Fn() -> OnServer<L>) {
    let server = start();
    let log = open(&server, that_waits_for_news());
    let waiting = waiting(&log, 0, false);
    append(&log, &samples::key("other"), "x", 1).expect("an append");
    append(&log, &samples::key("s"), "x", 1).expect("an append");
    woken(waiting, 1);
}

/// What was appended while the connections were cut is told when there are new ones.
pub fn what_happens_while_news_are_cut_off_is_caught_up_with<L: ServedLog>(
    start: &impl Fn() -> OnServer<L>,
) {
    let proxied = Proxied::start(start);
    let log = proxied.open(that_waits_for_news());
    let other = open(&proxied.server, Options::default());
    listeners(&log, &other);
    for after in 1..6 {
        let waiting = waiting(&log, after, true);
        proxied.proxy.cut_all();
        append(&other, &samples::key("s"), "x", 1).expect("an append");
        woken(waiting, after + 1);
    }
}
