//! Audit records through the bus.

use std::io;
use std::sync::Arc;
use std::task::Waker;
use std::thread;

use bus_tokio::{
    AuditSink, DurableSink, Event, GraphEvent, SessionBus, SessionEvent, Ticket, TrySubmit,
    UsageLimitBreach,
};

use crate::kit::{DEADLINE, Disk, Gate, WriteOnly, drain, durable, warnings_of, while_syncing};

/// One record of each kind.
fn record_all(audit: &dyn AuditSink) {
    audit.record_sub_agent_invoked("agent", "thread");
    audit.record_agent_handoff(Some("a"), "b");
    audit.record_resumed("checkpoint");
    audit.record_memory_recall("tier", "key", 3);
    audit.record_usage_limit_exceeded(&UsageLimitBreach::Requests {
        limit: 1,
        observed: 2,
    });
    audit.record_context_compacted(10, 5);
}

const ALL: [&str; 6] = [
    "audit.sub_agent_invoked",
    "audit.agent_handoff",
    "audit.resumed",
    "audit.memory_recall",
    "audit.usage_limit_exceeded",
    "audit.context_compacted",
];

fn types<'a>(events: impl IntoIterator<Item = &'a Event>) -> Vec<&'a str> {
    events.into_iter().map(Event::event_type).collect()
}

#[test]
fn without_a_sink_records_are_broadcast_live() {
    let bus = SessionBus::new(16);
    let mut subscriber = bus.subscribe_envelopes();
    record_all(&*bus.audit_sink());
    let seen = drain(&mut subscriber);
    assert_eq!(types(seen.iter().map(|e| &e.event)), ALL);
    for envelope in seen {
        let audit = envelope.event.as_audit().unwrap();
        assert_eq!(audit.timestamp(), &envelope.at);
        assert_eq!(envelope.ordinal, None);
    }
}

#[tokio::test]
async fn with_a_sink_records_go_there_and_are_broadcast_once_durable() {
    let disk = Arc::new(Disk::default());
    let bus = SessionBus::new(16).with_durable_sink(disk.clone());
    let mut subscriber = bus.subscribe_envelopes();
    // Nothing here waits: the disk has done nothing yet.
    record_all(&*bus.audit_sink());
    assert_eq!(types(&disk.taken()), ALL);
    assert!(drain(&mut subscriber).is_empty());
    disk.sync();
    bus.flush().await;
    let seen = drain(&mut subscriber);
    assert_eq!(types(seen.iter().map(|e| &e.event)), ALL);
    let ordinals: Vec<_> = seen.iter().map(|e| e.ordinal).collect();
    assert_eq!(ordinals, (1..=6).map(Some).collect::<Vec<_>>());
}

#[tokio::test]
async fn flush_waits_for_what_came_before_it() {
    let disk = Arc::new(Disk::default());
    let bus = SessionBus::new(16).with_durable_sink(disk.clone());
    bus.flush().await;
    bus.audit_sink().record_resumed("c");
    let flushing = tokio::spawn({
        let bus = bus.clone();
        async move { bus.flush().await }
    });
    tokio::task::yield_now().await;
    assert!(!flushing.is_finished());
    disk.sync();
    tokio::time::timeout(crate::kit::DEADLINE, flushing)
        .await
        .unwrap()
        .unwrap();
}

/// Takes records at once, and a session event only once the gate is open.
#[derive(Default)]
struct Busy {
    gate: Gate,
    disk: Disk,
}

impl DurableSink for Busy {
    fn write(&self, _: &SessionEvent) -> io::Result<()> {
        unreachable!("submit is there")
    }

    fn submit(&self, event: Event) -> Ticket {
        if event.as_session().is_some() {
            self.gate.pass();
        }
        self.disk.submit(event)
    }
}

#[test]
fn a_record_does_not_wait_for_a_sink_that_is_busy() {
    let sink = Arc::new(Busy::default());
    let bus = SessionBus::new(16).with_durable_sink(sink.clone());
    thread::scope(|scope| {
        scope.spawn(|| bus.emit(durable(1)));
        sink.gate.wait_for(1);
        record_all(&*bus.audit_sink());
        assert!(sink.disk.taken().is_empty());
        sink.gate.open();
        // Whoever held the sink takes care of them.
        sink.disk.wait_for(7);
        sink.disk.sync();
    });
    assert_eq!(types(&sink.disk.taken())[1..], ALL);
}

#[test]
fn records_that_wait_for_a_busy_sink_are_bounded_and_the_rest_is_seen_with_a_warning() {
    const MOST: usize = 65_536;
    let sink = Arc::new(Busy::default());
    let bus = SessionBus::new(16).with_durable_sink(sink.clone());
    let mut subscriber = bus.subscribe_envelopes();
    let audit = bus.audit_sink();
    thread::scope(|scope| {
        scope.spawn(|| bus.emit(durable(1)));
        sink.gate.wait_for(1);
        let warnings = warnings_of(|| {
            for i in 0..MOST + 2 {
                audit.record_context_compacted(i, i);
            }
        });
        assert_eq!(warnings, 2);
        assert_eq!(drain(&mut subscriber).len(), 2);
        sink.gate.open();
        sink.disk.wait_for(MOST + 1);
        sink.disk.sync();
    });
    assert_eq!(sink.disk.taken().len(), MOST + 1);
}

#[test]
fn records_of_one_caller_keep_their_order_among_its_signals() {
    let disk = Arc::new(Disk::default());
    let bus = SessionBus::new(8192).with_durable_sink(disk.clone());
    let mut subscriber = bus.subscribe_envelopes();
    let callers = 4;
    let each = 200;
    while_syncing(&disk, Disk::sync_backwards, || {
        crate::kit::on_threads(callers, |caller| {
            let audit = bus.audit_sink();
            for i in 0..each {
                audit.record_memory_recall("tier", &caller.to_string(), i);
                bus.emit(durable(caller * each + i));
            }
        });
    });
    let seen: Vec<_> = drain(&mut subscriber)
        .iter()
        .map(|e| e.event.clone())
        .collect();
    assert_eq!(seen, disk.taken());
    for caller in 0..callers {
        let own = seen.iter().filter_map(|event| match event {
            Event::Audit(GraphEvent::MemoryRecall {
                namespace_key,
                hits,
                ..
            }) => (*namespace_key == caller.to_string()).then_some(hits * 2),
            event => {
                let number = crate::kit::number(event);
                (number / each == caller).then_some(number % each * 2 + 1)
            }
        });
        assert_eq!(own.collect::<Vec<_>>(), (0..each * 2).collect::<Vec<_>>());
    }
}

/// Takes session events only, at once.
struct Picky;

impl DurableSink for Picky {
    fn write(&self, _: &SessionEvent) -> io::Result<()> {
        Ok(())
    }

    fn try_submit(&self, event: &Event, _: &Waker) -> TrySubmit {
        TrySubmit::Taken(self.submit(event.clone()))
    }
}

#[test]
fn a_sink_that_cannot_take_records_is_a_warning_and_they_are_seen() {
    let bus = SessionBus::new(16).with_durable_sink(Arc::new(Picky));
    let mut subscriber = bus.subscribe_envelopes();
    let warnings = warnings_of(|| bus.audit_sink().record_resumed("c"));
    assert_eq!(warnings, 1);
    assert_eq!(drain(&mut subscriber).len(), 1);
}

#[test]
fn records_that_a_sink_with_only_write_cannot_take_are_seen() {
    let bus = SessionBus::new(16).with_durable_sink(Arc::new(WriteOnly::default()));
    let mut subscriber = bus.subscribe_envelopes();
    bus.audit_sink().record_resumed("c");
    bus_testkit::block_on(bus.flush());
    assert_eq!(drain(&mut subscriber).len(), 1);
}

/// A sink with only `write`, which hangs until the gate is open.
struct Hanging(Gate);

impl DurableSink for Hanging {
    fn write(&self, _: &SessionEvent) -> io::Result<()> {
        self.0.pass();
        Ok(())
    }
}

/// Takes records when its gate opens, and is long about events: it writes them as it takes them.
#[derive(Default)]
struct Slow {
    records: Gate,
    events: Gate,
}

impl DurableSink for Slow {
    fn write(&self, _: &SessionEvent) -> io::Result<()> {
        self.events.pass();
        Ok(())
    }

    fn submit(&self, event: Event) -> Ticket {
        match event.as_session() {
            Some(event) => Ticket::ready(self.write(event).map(|()| None)),
            None => {
                self.records.pass();
                Ticket::ready(Ok(None))
            }
        }
    }
}

#[test]
fn a_record_does_not_write_what_others_publish_while_the_sink_has_it() {
    let sink = Arc::new(Slow::default());
    let bus = SessionBus::new(16).with_durable_sink(sink.clone());
    let (done, over) = std::sync::mpsc::channel();
    thread::scope(|scope| {
        scope.spawn(|| {
            bus.audit_sink().record_resumed("c");
            done.send(()).unwrap();
        });
        sink.records.wait_for(1);
        let mut publish = Box::pin(bus.publish(durable(1)));
        let mut cx = std::task::Context::from_waker(Waker::noop());
        assert!(publish.as_mut().poll(&mut cx).is_pending());
        sink.records.open();
        let returned = over.recv_timeout(DEADLINE).is_ok();
        sink.events.open();
        assert!(returned, "the record waits for the disk of the publish");
        // And still somebody sees to it.
        assert!(bus_testkit::block_on(publish).unwrap().durable);
    });
}

#[test]
fn a_record_does_not_write_the_events_of_others() {
    let sink = Arc::new(Hanging(Gate::default()));
    let bus = SessionBus::new(16).with_durable_sink(sink.clone());
    let mut subscriber = bus.subscribe_envelopes();
    let mut publish = Box::pin(bus.publish(durable(1)));
    let mut cx = std::task::Context::from_waker(Waker::noop());
    assert!(publish.as_mut().poll(&mut cx).is_pending());
    let (done, over) = std::sync::mpsc::channel();
    let returned = thread::scope(|scope| {
        scope.spawn(|| {
            bus.audit_sink().record_resumed("c");
            done.send(()).unwrap();
        });
        let returned = over.recv_timeout(DEADLINE / 3).is_ok();
        sink.0.open();
        returned
    });
    assert!(returned, "the record waits for the disk of the publish");
    bus_testkit::block_on(publish).unwrap();
    bus_testkit::block_on(bus.flush());
    assert_eq!(drain(&mut subscriber).len(), 2);
}
