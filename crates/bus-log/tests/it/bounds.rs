//! What is kept is bounded, however much comes and however slow the log is.

use std::sync::Arc;

use bus_log::{
    AuditSink, DurableSink, Event, GraphEvent, InMemorySessionLog, LogWriter, LogWriterConfig,
    SessionAuditSink, SessionEvent,
};

use crate::support::{Fault, ScriptedLog, Seen, block_on, key, peak, record, seen, wait_until};

/// Records, and lost ones by the log's own account.
fn counts(seen: &[Seen]) -> (u64, u64) {
    seen.iter()
        .fold((0, 0), |(records, lost), seen| match seen {
            Seen::Record(_) => (records + 1, lost),
            Seen::Gap(more) => (records, lost + more),
        })
}

/// 10 million records are made in some seconds, released; `cargo test` makes a tenth of them.
const BURST: u64 = if cfg!(debug_assertions) {
    1_000_000
} else {
    10_000_000
};

/// What the records that fit take, and what the tests beside this one may take meanwhile. All of the
/// burst would take more than a gigabyte, a tenth of it more than 150 MiB.
const LITTLE: usize = 96 << 20;

#[test]
fn a_burst_against_a_log_that_hangs_is_accounted_for_in_bounded_memory() {
    let log = Arc::new(ScriptedLog::failing([Fault::Gate]));
    let audit = SessionAuditSink::new(log.clone(), key("s"));
    audit.record(record(0));
    wait_until("the log hangs", || log.appends() == 1);
    let before = peak();
    let filler = "x".repeat(100);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..BURST / 4 {
                    audit.record_agent_handoff(Some(&filler), "planner");
                }
            });
        }
    });
    if let Some((before, after)) = before.zip(peak()) {
        let grown = after - before;
        assert!(grown < LITTLE, "{grown} bytes for what does not fit");
    }
    let stats = audit.stats();
    assert_eq!(stats.accepted, BURST + 1);
    assert_eq!(stats.dropped, BURST + 1 - 65_536);
    log.open_gate();
    let stats = block_on(audit.close());
    assert_eq!(stats.written, 65_536);
    assert_eq!(stats.accepted, stats.written + stats.dropped);
    let events = block_on(bus_log::SessionLog::load_since(&log.inner, &key("s"), 0)).unwrap();
    let lost = events.iter().map(|recorded| match recorded.event {
        Event::Audit(GraphEvent::AuditGap { dropped, .. }) => dropped,
        _ => 0,
    });
    assert_eq!(lost.sum::<u64>(), stats.dropped);
}

#[test]
fn records_are_bounded_in_bytes_too_and_the_rest_is_noted_where_it_was_lost() {
    let log = Arc::new(ScriptedLog::failing([Fault::Gate]));
    let config = LogWriterConfig::default().with_audit_bytes(100_000);
    let audit = LogWriter::with_config(log.clone(), config).audit(key("s"));
    let name = "x".repeat(30_000);
    for _ in 0..10 {
        audit.record_resumed(&name);
    }
    let stats = audit.stats();
    assert_eq!(
        (stats.accepted, stats.dropped),
        (10, 6),
        "the fourth passes the bound"
    );
    audit.record(SessionEvent::TextComplete(name.clone()));
    assert_eq!(audit.stats().dropped, 7);
    log.open_gate();
    block_on(audit.flush());
    // There is room again, also for one that is larger than all of it.
    audit.record_resumed(&"y".repeat(200_000));
    let stats = block_on(audit.close());
    assert_eq!((stats.accepted, stats.written, stats.dropped), (12, 5, 7));
    let events = block_on(bus_log::SessionLog::load_since(&log.inner, &key("s"), 0)).unwrap();
    let types: Vec<_> = events.iter().map(|e| e.event.event_type()).collect();
    let mut expected = vec!["audit.resumed"; 6];
    expected[4] = "audit.audit_gap";
    assert_eq!(types, expected);
}

#[test]
fn events_that_pass_the_sink_s_bytes_wait_for_room() {
    let log = Arc::new(ScriptedLog::failing([Fault::Gate]));
    let config = LogWriterConfig::default().with_sink_bytes(10_000);
    let sink = LogWriter::with_config(log.clone(), config).sink(key("s"));
    let event = || Event::from(SessionEvent::TextComplete("x".repeat(20_000)));
    let first = sink.submit(event());
    let second = std::thread::spawn(move || sink.submit(event()).wait());
    wait_until("the log hangs", || log.appends() == 1);
    assert!(!second.is_finished());
    log.open_gate();
    assert_eq!(first.wait().unwrap(), Some(1));
    assert_eq!(second.join().unwrap().unwrap(), Some(2));
}

#[test]
fn many_callers_of_many_threads_over_a_failing_log_are_each_in_order_and_all_accounted_for() {
    const CALLERS: u64 = 8;
    const KEYS: u64 = 5;
    const EACH: u64 = 4_000;
    // A log that fails now and then, in a way that can be repeated.
    let mut dice = 0x9e37_79b9_7f4a_7c15_u64;
    let log = Arc::new(ScriptedLog::new(move |_, _| {
        dice ^= dice << 13;
        dice ^= dice >> 7;
        dice ^= dice << 17;
        match dice % 40 {
            0 | 1 => Fault::Unavailable,
            2 => Fault::LandsUnavailable,
            3 => Fault::Busy,
            _ => Fault::None,
        }
    }));
    let config = LogWriterConfig::default().with_audit_queue(3_000);
    let writer = LogWriter::with_config(log.clone(), config);
    std::thread::scope(|scope| {
        for caller in 0..CALLERS {
            let sinks: Vec<_> = (0..KEYS)
                .map(|n| writer.audit(key(&n.to_string())))
                .collect();
            scope.spawn(move || {
                for n in 0..EACH {
                    let sink = &sinks[usize::try_from(n % KEYS).unwrap()];
                    let number = caller * 1_000_000 + n;
                    match n % 3 {
                        0 => sink.record(record(number)),
                        1 => sink.record_resumed(&number.to_string()),
                        _ => drop(sink.record_ticketed(record(number))),
                    }
                }
            });
        }
    });
    let stats = block_on(writer.close());
    assert_eq!(stats.accepted, CALLERS * EACH);
    assert_eq!(stats.accepted, stats.written + stats.dropped);
    let (mut written, mut dropped) = (0, 0);
    for n in 0..KEYS {
        let seen = block_on(seen(&log.inner, &key(&n.to_string())));
        let mut newest = [None; CALLERS as usize];
        for seen in &seen {
            if let Seen::Record(number) = seen {
                let newest = &mut newest[usize::try_from(number / 1_000_000).unwrap()];
                assert!(newest.is_none_or(|newest| newest < *number), "out of order");
                *newest = Some(*number);
            }
        }
        let (records, lost) = counts(&seen);
        written += records;
        dropped += lost;
    }
    assert_eq!((written, dropped), (stats.written, stats.dropped));
}

#[test]
fn one_caller_that_goes_from_thread_to_thread_keeps_its_order_while_others_crowd_in() {
    let log = Arc::new(InMemorySessionLog::new());
    let audit = SessionAuditSink::new(log.clone(), key("s"));
    let turn = std::sync::atomic::AtomicU64::new(0);
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let (audit, turn) = (&audit, &turn);
            scope.spawn(move || {
                use std::sync::atomic::Ordering;
                loop {
                    let now = turn.load(Ordering::Acquire);
                    if now >= 4_000 {
                        return;
                    }
                    if now % 4 == thread {
                        audit.record_resumed(&now.to_string());
                        turn.store(now + 1, Ordering::Release);
                    } else {
                        // Not a record of the caller that is followed.
                        audit.record_resumed("1000000");
                        std::thread::yield_now();
                    }
                }
            });
        }
    });
    let stats = block_on(audit.close());
    let mut next = 0;
    let mut lost = 0;
    for seen in block_on(seen(&log, &key("s"))) {
        match seen {
            Seen::Record(1_000_000) => {}
            Seen::Record(n) => {
                assert!(n >= next, "{n} behind {next}");
                next = n + 1;
            }
            Seen::Gap(more) => lost += more,
        }
    }
    assert_eq!(lost, stats.dropped);
}

#[test]
fn records_lost_on_the_way_to_the_sink_are_counted_and_noted_at_their_place() {
    let log = Arc::new(InMemorySessionLog::new());
    let audit = SessionAuditSink::new(log.clone(), key("s"));
    audit.record(record(0));
    audit.record_lost(0);
    audit.record_lost(3);
    audit.record(record(4));
    let stats = block_on(audit.close());
    assert_eq!((stats.accepted, stats.written, stats.dropped), (5, 2, 3));
    audit.record_lost(2);
    let stats = audit.stats();
    assert_eq!((stats.accepted, stats.dropped), (7, 5));
    let expected = [Seen::Record(0), Seen::Gap(3), Seen::Record(4)];
    assert_eq!(block_on(seen(&log, &key("s"))), expected);
}
