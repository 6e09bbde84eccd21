//! What is acknowledged before it is durable.

use std::time::Duration;

use bus_log::{Expect, LogErrorKind, SessionLog};
use bus_log_file::{Durability, FileLogConfig, FileSessionLog};

use crate::gate::{Gate, SyncOutcome};
use crate::support::{append, block_on, image, key, load, scratch, text, wait_for};

const EARLY: [Durability; 2] = [
    Durability::Interval(Duration::from_millis(5)),
    Durability::Os,
];

fn open(
    dir: &std::path::Path,
    durability: Durability,
    gate: &std::sync::Arc<Gate>,
) -> FileSessionLog {
    let config = FileLogConfig::default()
        .with_durability(durability)
        .with_file_system(gate.disk());
    FileSessionLog::open_with(dir, config).unwrap()
}

#[test]
fn only_sync_waits_for_the_disk() {
    for durability in EARLY.into_iter().chain([Durability::Sync]) {
        let dir = scratch();
        let gate = Gate::new("wal");
        let log = open(dir.path(), durability, &gate);
        // Owned, and all of it shown.
        append(&log, &key("a"), &["1"]).unwrap();
        assert_eq!(load(&log, &key("a")).unwrap(), ["1"]);
        gate.set(SyncOutcome::Waits);
        let ticket = log.durable_sink(key("a")).submit(text("2"));
        if durability == Durability::Sync {
            let sink = log.durable_sink(key("a"));
            sink.submit(text("3")).on_ready(drop);
            wait_for("the sync", || gate.waiting() > 0);
            assert!(!ticket.is_told(), "{durability:?}");
            gate.set(SyncOutcome::Passes);
        }
        assert_eq!(ticket.wait().unwrap(), Some(2));
        gate.set(SyncOutcome::Passes);
    }
}

#[test]
fn a_line_is_seen_by_others_only_once_it_is_durable_and_through_the_same_log_at_once() {
    for durability in EARLY {
        let dir = scratch();
        let gate = Gate::new("wal");
        let log = open(dir.path(), durability, &gate);
        let other = FileSessionLog::open(dir.path()).unwrap();
        append(&log, &key("a"), &["1"]).unwrap();
        assert_eq!(load(&log, &key("a")).unwrap(), ["1"]);
        gate.set(SyncOutcome::Waits);
        append(&log, &key("a"), &["2", "3"]).unwrap();
        wait_for("the sync", || gate.waiting() > 0);
        assert_eq!(load(&other, &key("a")).unwrap(), ["1"]);
        std::thread::scope(|scope| {
            let reads = scope.spawn(|| load(&log, &key("a")).unwrap());
            gate.set(SyncOutcome::Passes);
            assert_eq!(reads.join().unwrap(), ["1", "2", "3"]);
        });
        assert_eq!(load(&other, &key("a")).unwrap(), ["1", "2", "3"]);
    }
}

#[test]
fn everything_becomes_durable_though_nobody_asks() {
    for durability in EARLY {
        let dir = scratch();
        let log = open(dir.path(), durability, &Gate::new("wal"));
        let other = FileSessionLog::open(dir.path()).unwrap();
        for n in 1..=100_u64 {
            append(&log, &key("a"), &[&n.to_string()]).unwrap();
        }
        wait_for("the rest", || {
            block_on(other.bounds(&key("a"))).unwrap().last == 100
        });
    }
}

#[test]
fn what_the_disk_refuses_is_kept_and_written_when_it_takes_writes_again() {
    for durability in EARLY {
        let dir = scratch();
        let gate = Gate::new("wal");
        let log = open(dir.path(), durability, &gate);
        append(&log, &key("a"), &["1"]).unwrap();
        assert_eq!(load(&log, &key("a")).unwrap(), ["1"]);
        gate.set(SyncOutcome::Fails);
        append(&log, &key("a"), &["2"]).unwrap();
        wait_for("the refusal", || append(&log, &key("a"), &["no"]).is_err());
        let error = append(&log, &key("a"), &["no"]).unwrap_err();
        assert_eq!(error.kind(), LogErrorKind::Unavailable);
        let error = load(&log, &key("a")).unwrap_err();
        assert_eq!(error.kind(), LogErrorKind::Unavailable);
        gate.set(SyncOutcome::Passes);
        wait_for("writes", || append(&log, &key("a"), &["last"]).is_ok());
        let all = load(&log, &key("a")).unwrap();
        assert_eq!(all[..2], ["1", "2"], "{durability:?}");
        assert_eq!(all.last().unwrap(), "last");
        assert_eq!(log.stats().lost_events, 0);
        let crashed = image(dir.path());
        drop(log);
        for dir in [dir.path(), crashed.path()] {
            let log = FileSessionLog::open(dir).unwrap();
            assert_eq!(load(&log, &key("a")).unwrap(), all, "{durability:?}");
        }
    }
}

#[test]
fn order_and_expectations_hold_before_the_disk_has_anything() {
    for durability in EARLY {
        let dir = scratch();
        let gate = Gate::new("wal");
        let log = open(dir.path(), durability, &gate);
        append(&log, &key("a"), &["1"]).unwrap();
        load(&log, &key("a")).unwrap();
        gate.set(SyncOutcome::Waits);
        assert_eq!(append(&log, &key("a"), &["2", "3"]).unwrap(), 3);
        let wrong = block_on(log.append_expecting(&key("a"), 1, &[text("no")])).unwrap_err();
        assert_eq!(
            (wrong.kind(), wrong.actual()),
            (LogErrorKind::Conflict, Some(3))
        );
        let entries = [text("4").into()];
        let last = block_on(log.append_entries(&key("a"), Expect::Last(3), &entries));
        assert_eq!(last.unwrap(), 4);
        gate.set(SyncOutcome::Passes);
        assert_eq!(load(&log, &key("a")).unwrap(), ["1", "2", "3", "4"]);
    }
}

#[test]
fn what_the_operating_system_has_survives_the_process() {
    let dir = scratch();
    let gate = Gate::new("wal");
    let log = open(dir.path(), Durability::Os, &gate);
    append(&log, &key("a"), &["1"]).unwrap();
    load(&log, &key("a")).unwrap();
    gate.set(SyncOutcome::Waits);
    append(&log, &key("a"), &["2"]).unwrap();
    // Not what a power cut leaves, but what a killed process does.
    let killed = image(dir.path());
    gate.set(SyncOutcome::Passes);
    let again = FileSessionLog::open(killed.path()).unwrap();
    assert_eq!(load(&again, &key("a")).unwrap(), ["1", "2"]);
}

#[test]
fn many_sessions_and_full_segments_are_kept_in_every_mode() {
    for durability in EARLY {
        let dir = scratch();
        let config = FileLogConfig::default()
            .with_durability(durability)
            .with_open_threads(8)
            .with_segment_bytes(4096);
        let log = FileSessionLog::open_with(dir.path(), config).unwrap();
        for n in 0..300 {
            append(&log, &key(&(n % 30).to_string()), &[&n.to_string()]).unwrap();
        }
        block_on(log.archive_before(&key("0"), 3)).unwrap();
        block_on(log.erase(&key("1"))).unwrap();
        drop(log);
        let log = FileSessionLog::open(dir.path()).unwrap();
        assert!(log.recovery().is_clean());
        for n in 0..30 {
            let expected = [7, 0, 10][n.min(2)];
            let found = load(&log, &key(&n.to_string())).unwrap().len();
            assert_eq!(found, expected, "{durability:?} {n}");
        }
    }
}

#[test]
fn what_a_closed_log_could_not_make_durable_is_counted_as_lost_and_nothing_else_is() {
    for durability in EARLY {
        let dir = scratch();
        let gate = Gate::new("wal");
        let log = open(dir.path(), durability, &gate);
        let counters = log.counters();
        append(&log, &key("a"), &["1"]).unwrap();
        assert_eq!(load(&log, &key("a")).unwrap(), ["1"]);
        gate.set(SyncOutcome::Fails);
        append(&log, &key("a"), &["2", "3"]).unwrap();
        assert_eq!(counters.read().lost_events, 0, "{durability:?}");
        drop(log);
        assert_eq!(counters.read().lost_events, 2, "{durability:?}");
        gate.set(SyncOutcome::Passes);
        let log = FileSessionLog::open(dir.path()).unwrap();
        assert_eq!(load(&log, &key("a")).unwrap(), ["1"], "{durability:?}");
        assert_eq!(log.stats().lost_events, 0);
    }
}

#[test]
fn nothing_is_lost_by_a_log_whose_disk_takes_writes_again_before_it_is_closed() {
    for durability in EARLY {
        let dir = scratch();
        let gate = Gate::new("wal");
        let log = open(dir.path(), durability, &gate);
        let counters = log.counters();
        append(&log, &key("a"), &["1"]).unwrap();
        assert_eq!(load(&log, &key("a")).unwrap(), ["1"]);
        gate.set(SyncOutcome::Fails);
        append(&log, &key("a"), &["2"]).unwrap();
        assert!(load(&log, &key("a")).is_err(), "{durability:?}");
        gate.set(SyncOutcome::Passes);
        drop(log);
        assert_eq!(counters.read().lost_events, 0, "{durability:?}");
        let log = FileSessionLog::open(dir.path()).unwrap();
        assert_eq!(load(&log, &key("a")).unwrap(), ["1", "2"], "{durability:?}");
    }
}
