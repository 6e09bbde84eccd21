//! The face that counts and forgets.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bus_log::{
    AuditSink, Event, InMemorySessionLog, LogWriter, LogWriterConfig, SessionAuditSink,
    SessionEvent, SessionLog, UsageLimitBreach,
};

use crate::support::{Fault, LONG, ScriptedLog, Seen, block_on, key, record, seen, wait_until};

fn numbers(range: std::ops::Range<u64>) -> Vec<Seen> {
    range.map(Seen::Record).collect()
}

#[test]
fn every_call_of_the_trait_is_recorded_in_order_and_typed() {
    let log = Arc::new(InMemorySessionLog::new());
    let audit = SessionAuditSink::new(log.clone(), key("s"));
    audit.record_sub_agent_invoked("a", "t");
    audit.record_agent_handoff(Some("a"), "b");
    audit.record_resumed("c");
    audit.record_memory_recall("warm", "ns", 3);
    audit.record_usage_limit_exceeded(&UsageLimitBreach::Requests {
        limit: 1,
        observed: 2,
    });
    audit.record_context_compacted(10, 5);
    block_on(audit.close());
    let events = block_on(log.load_since(&key("s"), 0)).unwrap();
    let types: Vec<_> = events.iter().map(|e| e.event.event_type()).collect();
    assert_eq!(
        types,
        [
            "audit.sub_agent_invoked",
            "audit.agent_handoff",
            "audit.resumed",
            "audit.memory_recall",
            "audit.usage_limit_exceeded",
            "audit.context_compacted",
        ]
    );
    for recorded in &events {
        assert_eq!(recorded.event.as_audit().unwrap().timestamp(), &recorded.at);
    }
}

#[test]
fn a_snapshot_is_recorded_without_its_messages() {
    let log = Arc::new(InMemorySessionLog::new());
    let audit = SessionAuditSink::new(log.clone(), key("s"));
    let mut session = bus_log::Session::new("s", "planner", bus_log::Utc::now());
    session.messages.push(bus_log::Message::new(
        bus_log::Role::User,
        vec![bus_log::ContentPart::Text("secret".into())],
    ));
    audit.record(SessionEvent::SessionSync(Box::new(session)));
    block_on(audit.flush());
    let events = block_on(log.load_since(&key("s"), 0)).unwrap();
    let Event::Session(SessionEvent::SessionSync(session)) = &events[0].event else {
        panic!("{events:?}");
    };
    assert!(session.messages.is_empty());
}

#[test]
fn it_never_blocks_while_the_log_hangs() {
    let log = Arc::new(ScriptedLog::failing([Fault::Gate]));
    let config = LogWriterConfig::default().with_audit_queue(100);
    let audit = LogWriter::with_config(log.clone(), config).audit(key("s"));
    let begun = Instant::now();
    for n in 0..150 {
        audit.record(record(n));
    }
    // The log opens only after this: had a call waited for it, we would not be here.
    assert!(begun.elapsed() < LONG);
    let stats = audit.stats();
    assert_eq!((stats.accepted, stats.written, stats.dropped), (150, 0, 50));
    log.open_gate();
    let stats = block_on(audit.close());
    assert_eq!(
        (stats.accepted, stats.written, stats.dropped),
        (150, 100, 50)
    );
    let mut expected = numbers(0..100);
    expected.push(Seen::Gap(50));
    assert_eq!(block_on(seen(&log.inner, &key("s"))), expected);
}

#[test]
fn a_million_records_in_a_burst_are_all_accounted_for_in_the_log() {
    let log = Arc::new(InMemorySessionLog::new());
    let audit = SessionAuditSink::new(log.clone(), key("s"));
    for n in 0..1_000_000 {
        audit.record(record(n));
    }
    let stats = block_on(audit.close());
    assert_eq!(stats.accepted, 1_000_000);
    assert_eq!(stats.accepted, stats.written + stats.dropped);
    let mut next = 0;
    let mut written = 0;
    for seen in block_on(seen(&log, &key("s"))) {
        match seen {
            Seen::Record(n) => {
                assert_eq!(n, next, "in order, and each gap where it belongs");
                next += 1;
                written += 1;
            }
            Seen::Gap(lost) => next += lost,
        }
    }
    assert_eq!(next, 1_000_000);
    assert_eq!(written, stats.written);
}

#[test]
fn one_caller_s_records_keep_their_order_among_many_callers() {
    let log = Arc::new(InMemorySessionLog::new());
    let audit = SessionAuditSink::new(log.clone(), key("s"));
    std::thread::scope(|scope| {
        for caller in 0..4u64 {
            let audit = audit.clone();
            scope.spawn(move || {
                for n in 0..500 {
                    audit.record(record(caller * 1000 + n));
                }
            });
        }
    });
    block_on(audit.close());
    let seen = block_on(seen(&log, &key("s")));
    assert_eq!(seen.len(), 2000);
    for caller in 0..4 {
        let own: Vec<_> = seen
            .iter()
            .filter(|seen| matches!(seen, Seen::Record(n) if n / 1000 == caller))
            .copied()
            .collect();
        assert_eq!(own, numbers(caller * 1000..caller * 1000 + 500));
    }
}

#[test]
fn clones_and_siblings_share_one_account_and_others_do_not() {
    let log: Arc<dyn SessionLog> = Arc::new(InMemorySessionLog::new());
    let audit = SessionAuditSink::new(log.clone(), key("a"));
    let sibling = audit.clone().with_thread_key(key("b"));
    let other = SessionAuditSink::new(log.clone(), key("a"));
    audit.record(record(1));
    sibling.record(record(2));
    other.record(record(3));
    let stats = block_on(audit.close());
    assert_eq!((stats.accepted, stats.written), (2, 2));
    assert_eq!(sibling.stats(), stats);
    other.record(record(4));
    let stats = block_on(other.close());
    assert_eq!(
        (stats.accepted, stats.written),
        (2, 2),
        "not closed with the first"
    );
}

#[test]
fn flush_waits_for_what_was_accepted_before_it_and_not_for_what_comes_after() {
    let log = Arc::new(ScriptedLog::new(|key, _| match key.thread_id() {
        "slow" => Fault::Gate,
        _ => Fault::None,
    }));
    let writer = LogWriter::new(log.clone());
    writer.audit(key("s")).record(record(0));
    block_on(writer.flush());
    assert_eq!(writer.stats().written, 1);

    let slow = writer.audit(key("slow"));
    slow.record(record(0));
    let mut early = Box::pin(writer.flush());
    let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
    assert!(early.as_mut().poll(&mut cx).is_pending());
    // One given up in the middle hurts no other.
    drop(early);
    let late = std::thread::spawn({
        let writer = writer.clone();
        move || block_on(writer.flush())
    });
    writer.audit(key("s")).record(record(1));
    wait_until("another key is not held up", || writer.stats().written == 2);
    assert!(!late.is_finished());
    log.open_gate();
    late.join().unwrap();
    assert_eq!(writer.stats().written, 3);
}

#[test]
fn one_slow_thread_key_does_not_stall_the_others() {
    let log = Arc::new(ScriptedLog::new(|key, _| match key.thread_id() {
        "slow" => Fault::Gate,
        _ => Fault::None,
    }));
    let writer = LogWriter::new(log.clone());
    writer.audit(key("slow")).record(record(0));
    wait_until("the slow one is at it", || log.appends() == 1);
    for n in 0..20 {
        let ticket = writer.audit(key(&n.to_string())).record_ticketed(record(n));
        assert_eq!(ticket.wait().unwrap(), Some(1));
    }
    log.open_gate();
    assert_eq!(block_on(writer.close()).written, 21);
}

#[test]
fn records_made_after_close_are_accepted_and_dropped_and_leave_no_gap() {
    let log = Arc::new(InMemorySessionLog::new());
    let audit = SessionAuditSink::new(log.clone(), key("s"));
    audit.record(record(0));
    block_on(audit.close());
    audit.record(record(1));
    assert_eq!(
        audit.record_ticketed(record(2)).wait().unwrap_err().kind(),
        std::io::ErrorKind::BrokenPipe
    );
    let stats = block_on(audit.close());
    let counts = (stats.accepted, stats.written, stats.dropped, stats.retried);
    assert_eq!(counts, (3, 1, 2, 0));
    assert_eq!(block_on(seen(&log, &key("s"))), numbers(0..1));
}

#[test]
fn close_gives_up_a_log_that_stays_down_and_counts_the_rest_as_dropped() {
    let log = Arc::new(ScriptedLog::down());
    let config = LogWriterConfig::default().with_close_timeout(Duration::from_millis(50));
    let audit = LogWriter::with_config(log.clone(), config).audit(key("s"));
    for n in 0..10 {
        audit.record(record(n));
    }
    let closers: Vec<_> = (0..3)
        .map(|_| {
            let audit = audit.clone();
            std::thread::spawn(move || block_on(audit.close()))
        })
        .collect();
    for closer in closers {
        let stats = closer.join().unwrap();
        assert_eq!((stats.accepted, stats.written, stats.dropped), (10, 0, 10));
    }
    // The loss is noted all the same once the log is back, as long as a sink is there.
    log.set_down(false);
    wait_until("a gap", || {
        block_on(seen(&log.inner, &key("s"))) == [Seen::Gap(10)]
    });
    assert_eq!(audit.stats().dropped, 10);
}

#[test]
fn close_waits_out_errors_that_pass() {
    let mut busy = true;
    let log = Arc::new(ScriptedLog::new(move |_, _| {
        busy = !busy;
        if busy { Fault::None } else { Fault::Busy }
    }));
    let writer = LogWriter::new(log.clone());
    for n in 0..10 {
        writer.audit(key(&n.to_string())).record(record(n));
    }
    let stats = block_on(writer.close());
    assert_eq!((stats.written, stats.dropped), (10, 0));
    assert!(stats.retried >= 1);
}

#[test]
fn a_ticketed_record_tells_its_ordinal_and_a_dropped_one_fails() {
    let log = Arc::new(ScriptedLog::failing([Fault::Gate]));
    let config = LogWriterConfig::default().with_audit_queue(1);
    let audit = LogWriter::with_config(log.clone(), config).audit(key("s"));
    let (tx, rx) = std::sync::mpsc::channel();
    let told = tx.clone();
    audit.record_with(record(0), move |outcome| {
        told.send(outcome.unwrap()).unwrap()
    });
    let refused = audit.record_ticketed(record(1)).wait().unwrap_err();
    assert_eq!(refused.kind(), std::io::ErrorKind::WouldBlock);
    log.open_gate();
    assert_eq!(rx.recv_timeout(LONG).unwrap(), Some(1));
    // A callback that panics hurts nobody.
    block_on(audit.flush());
    let done = audit.clone();
    audit.record_with(record(2), move |_| {
        assert_eq!(done.stats().written, 2);
        std::panic::resume_unwind(Box::new("callback"))
    });
    block_on(audit.flush());
    audit.record_with(record(3), move |outcome| tx.send(outcome.unwrap()).unwrap());
    assert_eq!(
        rx.recv_timeout(LONG).unwrap(),
        Some(4),
        "after 0, a gap and 2"
    );
}
