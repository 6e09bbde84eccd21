//! What stands in line while a log hangs is bounded, and leaves in its order.

use std::future::Future;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Wake, Waker};

use bus_testkit::{Fault, FaultyLog, Gate};
use bus_tokio::{
    AuditSink, Envelope, EnvelopeSubscriber, Event, GraphEvent, InMemorySessionLog, LogWriter,
    LogWriterConfig, SessionBus, TenantId, ThreadKey,
};

use crate::kit::{Disk, drain, warnings_of};

type Log = FaultyLog<InMemorySessionLog>;

/// How many records stand in line at most, for their ordinals.
const MOST_IN_LINE: usize = 65_536;

fn hanging() -> (Arc<Log>, Gate) {
    let log = Arc::new(FaultyLog::new(InMemorySessionLog::new()));
    let gate = Gate::closed();
    log.always(Fault::Wait(gate.clone()));
    (log, gate)
}

fn on(log: &Arc<Log>, capacity: usize, config: LogWriterConfig) -> SessionBus {
    let writer = LogWriter::with_config(log.clone(), config);
    let key = ThreadKey::new(TenantId::new("acme"), "session-7");
    SessionBus::new(capacity).with_log_writer(&writer, key)
}

fn numbers(seen: &[Arc<Envelope>]) -> Vec<usize> {
    let number = |envelope: &Arc<Envelope>| match &envelope.event {
        Event::Audit(GraphEvent::ContextCompacted { dropped_chars, .. }) => *dropped_chars,
        other => panic!("{other:?}"),
    };
    seen.iter().map(number).collect()
}

#[test]
fn records_that_a_full_log_refused_are_not_all_kept_in_line() {
    let (log, gate) = hanging();
    let bus = on(
        &log,
        2_048,
        LogWriterConfig::default().with_audit_bytes(1 << 20),
    );
    let mut subscriber = bus.subscribe_envelopes();
    let audit = bus.audit_sink();
    let text = "x".repeat(64 << 10);
    for _ in 0..1_000 {
        audit.record_resumed(&text);
    }
    let seen = drain(&mut subscriber).len();
    gate.open();
    assert!(seen >= 900, "{seen} of 1000 are seen");
}

#[test]
fn records_in_line_are_bounded_in_bytes_too() {
    let (log, gate) = hanging();
    let config = LogWriterConfig::default().with_audit_bytes(1 << 30);
    let bus = on(&log, 256, config);
    let mut subscriber = bus.subscribe_envelopes();
    let audit = bus.audit_sink();
    let text = "x".repeat(1 << 20);
    for _ in 0..100 {
        audit.record_resumed(&text);
    }
    let seen = drain(&mut subscriber).len();
    gate.open();
    assert!((36..=40).contains(&seen), "{seen} of 100 MiB are seen");
}

#[test]
fn a_record_too_many_shows_the_oldest_and_not_all() {
    let (log, gate) = hanging();
    let config = LogWriterConfig::default().with_audit_queue(10 * MOST_IN_LINE);
    let bus = on(&log, 1_024, config);
    let mut subscriber = bus.subscribe_envelopes();
    let audit = bus.audit_sink();
    for n in 0..MOST_IN_LINE + 10 {
        audit.record_context_compacted(n, n);
    }
    let seen = numbers(&drain(&mut subscriber));
    gate.open();
    assert_eq!(seen, (0..10).collect::<Vec<_>>());
}

/// Makes two records when it is first woken.
struct Records {
    audit: Arc<dyn AuditSink>,
    next: Arc<Mutex<usize>>,
    woken: AtomicBool,
}

impl Wake for Records {
    fn wake(self: Arc<Self>) {
        if !self.woken.swap(true, Ordering::SeqCst) {
            for _ in 0..2 {
                record_next(&*self.audit, &self.next);
            }
        }
    }
}

fn record_next(audit: &dyn AuditSink, next: &Mutex<usize>) {
    let mut next = next.lock().unwrap();
    let number = *next;
    *next += 1;
    drop(next);
    audit.record_context_compacted(number, number);
}

fn drain_all(subscriber: &mut EnvelopeSubscriber) -> Vec<usize> {
    numbers(&drain(subscriber))
}

#[test]
fn records_past_those_in_line_are_seen_in_their_order_though_a_waker_makes_more() {
    let (log, gate) = hanging();
    let config = LogWriterConfig::default().with_audit_queue(10 * MOST_IN_LINE);
    let bus = on(&log, 2 * MOST_IN_LINE, config);
    let mut subscriber = bus.subscribe_envelopes();
    let mut parked = bus.subscribe_envelopes();
    let audit = bus.audit_sink();
    let next = Arc::new(Mutex::new(0));
    for _ in 0..MOST_IN_LINE {
        record_next(&*audit, &next);
    }
    let waker = Waker::from(Arc::new(Records {
        audit: audit.clone(),
        next: next.clone(),
        woken: AtomicBool::new(false),
    }));
    let mut recv = Box::pin(parked.recv());
    assert!(
        recv.as_mut()
            .poll(&mut Context::from_waker(&waker))
            .is_pending()
    );
    record_next(&*audit, &next);
    record_next(&*audit, &next);
    let mut seen = drain_all(&mut subscriber);
    gate.open();
    bus_testkit::block_on(bus.flush());
    seen.extend(drain_all(&mut subscriber));
    assert!(seen.iter().copied().eq(0..MOST_IN_LINE + 4), "not in order");
}

#[test]
fn records_over_a_sink_that_is_no_log_and_tells_nothing_are_bounded() {
    const TOO_MANY: usize = 10;
    let disk = Arc::new(Disk::default());
    let bus = SessionBus::new(2 * MOST_IN_LINE).with_durable_sink(disk.clone());
    let mut subscriber = bus.subscribe_envelopes();
    let audit = bus.audit_sink();
    let warnings = warnings_of(|| {
        for n in 0..MOST_IN_LINE + TOO_MANY {
            audit.record_context_compacted(n, n);
        }
    });
    assert_eq!(warnings, TOO_MANY);
    assert_eq!(drain(&mut subscriber).len(), TOO_MANY);
    disk.wait_for(MOST_IN_LINE);
    disk.sync();
    assert_eq!(drain(&mut subscriber).len(), MOST_IN_LINE);
}

#[test]
fn flushes_that_were_given_up_are_no_crowd() {
    const GIVEN_UP: usize = MOST_IN_LINE + 5_000;
    let disk = Arc::new(Disk::default());
    let bus = SessionBus::new(16).with_durable_sink(disk.clone());
    let audit = bus.audit_sink();
    audit.record_context_compacted(0, 0);
    let mut cx = Context::from_waker(Waker::noop());
    for _ in 0..GIVEN_UP {
        assert!(Box::pin(bus.flush()).as_mut().poll(&mut cx).is_pending());
    }
    let warnings = warnings_of(|| audit.record_context_compacted(1, 1));
    assert_eq!((warnings, disk.taken().len()), (0, 2), "a record is lost");
}
