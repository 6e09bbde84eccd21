//! What is lost is noted where it was lost.

use std::sync::Arc;

use bus_log::{Entry, Event, GraphEvent, LogWriter, LogWriterConfig, SessionAuditSink};

use crate::support::Seen::{Gap, Record};
use crate::support::{Fault, ScriptedLog, Seen, block_on, key, record, seen, wait_until};

fn number(entry: &Entry) -> Option<u64> {
    match &entry.event {
        Event::Audit(GraphEvent::Resumed {
            from_checkpoint, ..
        }) => from_checkpoint.parse().ok(),
        _ => None,
    }
}

/// A log that waits for its gate once, so that a batch forms, and refuses some records for good.
fn refusing(fault: Fault, refused: &'static [u64]) -> Arc<ScriptedLog> {
    let mut first = true;
    Arc::new(ScriptedLog::new(move |_, entries| {
        if std::mem::take(&mut first) {
            return Fault::Gate;
        }
        let bad = |n| refused.contains(&n);
        if entries.iter().filter_map(number).any(bad) {
            return fault;
        }
        Fault::None
    }))
}

fn record_all(log: &Arc<ScriptedLog>, count: u64) -> (Vec<Seen>, bus_log::AuditStats) {
    let audit = SessionAuditSink::new(log.clone(), key("s"));
    audit.record(record(0));
    wait_until("the first append", || log.appends() == 1);
    for n in 1..count {
        audit.record(record(n));
    }
    log.open_gate();
    let stats = block_on(audit.close());
    (block_on(seen(&log.inner, &key("s"))), stats)
}

#[test]
fn only_the_record_that_the_log_refuses_is_dropped() {
    for fault in [Fault::Invalid, Fault::Corrupt, Fault::Internal] {
        let log = refusing(fault, &[13]);
        let (seen, stats) = record_all(&log, 100);
        assert_eq!((stats.written, stats.dropped), (99, 1), "{fault:?}");
        let mut expected: Vec<_> = (0..100).map(Record).collect();
        expected[13] = Gap(1);
        assert_eq!(seen, expected, "{fault:?}");
    }
}

#[test]
fn losses_that_follow_each_other_become_one_gap() {
    let log = refusing(Fault::Invalid, &[3, 4, 5, 8]);
    let (seen, stats) = record_all(&log, 10);
    assert_eq!((stats.written, stats.dropped), (6, 4));
    assert_eq!(
        seen,
        [
            Record(0),
            Record(1),
            Record(2),
            Gap(3),
            Record(6),
            Record(7),
            Gap(1),
            Record(9)
        ]
    );
}

#[test]
fn a_gap_stands_where_the_queue_was_full_and_holds_the_count() {
    let log = Arc::new(ScriptedLog::failing([Fault::Gate]));
    let config = LogWriterConfig::default().with_audit_queue(3);
    let audit = LogWriter::with_config(log.clone(), config).audit(key("s"));
    let other = audit.clone().with_thread_key(key("other"));
    for n in 0..5 {
        audit.record(record(n));
    }
    other.record(record(0));
    other.record(record(1));
    log.open_gate();
    block_on(audit.flush());
    audit.record(record(5));
    other.record(record(2));
    let stats = block_on(audit.close());
    assert_eq!((stats.accepted, stats.written, stats.dropped), (9, 5, 4));
    let of = |thread| block_on(seen(&log.inner, &key(thread)));
    assert_eq!(
        of("s"),
        [Record(0), Record(1), Record(2), Gap(2), Record(5)]
    );
    assert_eq!(of("other"), [Gap(2), Record(2)]);
}

#[test]
fn losses_that_go_on_while_the_first_batch_is_under_way_become_one_gap() {
    let log = Arc::new(ScriptedLog::failing([Fault::Gate]));
    let config = LogWriterConfig::default().with_audit_queue(2);
    let audit = LogWriter::with_config(log.clone(), config).audit(key("s"));
    for n in 0..4 {
        audit.record(record(n));
    }
    // The writer has taken what there is, losses too, when the next are lost.
    wait_until("the log hangs", || log.appends() == 1);
    for n in 4..9 {
        audit.record(record(n));
    }
    log.open_gate();
    block_on(audit.close());
    let seen = block_on(seen(&log.inner, &key("s")));
    assert_eq!(seen, [Record(0), Record(1), Gap(7)]);
}

#[test]
fn a_log_that_was_down_gets_all_that_was_kept_and_a_gap_for_the_rest() {
    let log = Arc::new(ScriptedLog::down());
    let config = LogWriterConfig::default().with_audit_queue(4);
    let audit = LogWriter::with_config(log.clone(), config).audit(key("s"));
    for n in 0..7 {
        audit.record(record(n));
    }
    log.set_down(false);
    block_on(audit.flush());
    audit.record(record(7));
    let stats = block_on(audit.close());
    assert_eq!((stats.accepted, stats.written, stats.dropped), (8, 5, 3));
    assert_eq!(
        block_on(seen(&log.inner, &key("s"))),
        [
            Record(0),
            Record(1),
            Record(2),
            Record(3),
            Gap(3),
            Record(7)
        ]
    );
}

#[test]
fn a_batch_that_makes_the_log_panic_is_dropped_whole_and_noted() {
    let log = Arc::new(ScriptedLog::failing([Fault::Gate, Fault::Panics]));
    let (seen, stats) = record_all(&log, 10);
    assert_eq!((stats.written, stats.dropped), (1, 9));
    assert_eq!(seen, [Record(0), Gap(9)]);
}

#[test]
fn a_gap_that_the_log_refuses_stays_pending_and_holds_up_neither_flush_nor_records() {
    // The record, then its gap, then the gap again before the next record.
    let faults = [Fault::Invalid, Fault::Invalid, Fault::Internal, Fault::None];
    let log = Arc::new(ScriptedLog::failing(faults));
    let audit = SessionAuditSink::new(log.clone(), key("s"));
    audit.record(record(0));
    block_on(audit.flush());
    assert_eq!(audit.stats().dropped, 1);
    wait_until("the gap is tried again", || {
        block_on(seen(&log.inner, &key("s"))) == [Gap(1)]
    });
    audit.record(record(1));
    let stats = block_on(audit.close());
    assert_eq!((stats.accepted, stats.written, stats.dropped), (2, 1, 1));
    assert_eq!(block_on(seen(&log.inner, &key("s"))), [Gap(1), Record(1)]);
}

#[test]
fn a_log_that_refuses_every_gap_still_gets_the_records() {
    let is_gap = |entry: &Entry| entry.event.event_type() == "audit.audit_gap";
    let log = Arc::new(ScriptedLog::new(move |_, entries| {
        if entries.iter().any(|e| is_gap(e) || number(e) == Some(0)) {
            return Fault::Unsupported;
        }
        Fault::None
    }));
    let audit = SessionAuditSink::new(log.clone(), key("s"));
    audit.record(record(0));
    block_on(audit.flush());
    for n in 1..5 {
        audit.record(record(n));
        block_on(audit.flush());
    }
    let stats = block_on(audit.close());
    assert_eq!((stats.written, stats.dropped), (4, 1));
    drop(audit);
    let seen = block_on(seen(&log.inner, &key("s")));
    assert_eq!(seen, (1..5).map(Record).collect::<Vec<_>>());
}
