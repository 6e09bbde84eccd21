//! Who waits is woken, by whom it may be written, and also after the connection for news was lost.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use bus_log::SessionLog;
use bus_log_postgres::PostgresSessionLog;
use bus_testkit::{block_on, samples};

use crate::support::{Schema, append, open};

const LIMIT: Duration = Duration::from_secs(20);

/// A log that does not look by itself within the test's time.
fn that_waits_for_news(schema: &Schema) -> Arc<PostgresSessionLog> {
    Arc::new(
        open(
            schema
                .config()
                .with_poll_interval(Duration::from_secs(3600)),
        )
        .unwrap(),
    )
}

/// Waits on a thread of its own, from where it begins to wait on.
fn waiting(log: &Arc<PostgresSessionLog>, after: u64) -> thread::JoinHandle<(u64, Duration)> {
    let log = Arc::clone(log);
    thread::spawn(move || {
        let begun = Instant::now();
        let last = block_on(log.changed(&samples::key("s"), after, begun + LIMIT)).unwrap();
        (last, begun.elapsed())
    })
}

fn listeners(schema: &Schema, log: &Arc<PostgresSessionLog>) {
    // A first wait that has heard something shows that news come.
    let waiting = waiting(log, 0);
    let other = schema.open();
    assert_eq!(append(&other, &samples::key("s"), "first", 1).unwrap(), 1);
    assert_eq!(waiting.join().unwrap().0, 1);
}

#[test]
fn an_append_of_another_handle_wakes_who_waits() {
    let schema = Schema::new();
    let log = that_waits_for_news(&schema);
    listeners(&schema, &log);
    let other = schema.open();
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
    let schema = Schema::new();
    let log = that_waits_for_news(&schema);
    let waiting = waiting(&log, 0);
    append(&*log, &samples::key("other"), "x", 1).unwrap();
    append(&*log, &samples::key("s"), "x", 1).unwrap();
    let (last, took) = waiting.join().unwrap();
    assert_eq!(last, 1);
    assert!(took < LIMIT / 2, "told after {took:?}");
}

#[test]
fn what_happens_while_news_are_cut_off_is_caught_up_with() {
    let schema = Schema::new();
    let log = that_waits_for_news(&schema);
    listeners(&schema, &log);
    let other = schema.open();
    let ours = schema.sql();
    for after in 1..6 {
        let waiting = waiting(&log, after);
        // The connections for news, which say so in their last statement.
        ours.run(&format!(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity \
             WHERE application_name = '{}' AND (query LIKE 'LISTEN%' OR query LIKE 'NOTIFY%')",
            schema.name()
        ));
        append(&other, &samples::key("s"), "x", 1).unwrap();
        let (last, took) = waiting.join().unwrap();
        assert_eq!(last, after + 1);
        assert!(took < LIMIT / 2, "told after {took:?}");
    }
}
