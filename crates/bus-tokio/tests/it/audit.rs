//! Audit records through the bus.

use std::sync::Arc;
use std::thread;

use bus_tokio::{AuditSink, Event, GraphEvent, SessionBus, UsageLimitBreach};

use crate::kit::{Disk, WriteOnly, drain, durable, while_syncing};

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

#[test]
fn a_record_does_not_wait_for_a_sink_that_is_busy() {
    use crate::kit::Gate;
    struct Busy(Arc<Gate>, Disk);
    impl bus_tokio::DurableSink for Busy {
        fn write(&self, _: &bus_tokio::SessionEvent) -> std::io::Result<()> {
            unreachable!("submit is there")
        }
        fn submit(&self, event: Event) -> bus_tokio::Ticket {
            if event.as_session().is_some() {
                self.0.pass();
            }
            self.1.submit(event)
        }
    }
    let gate = Arc::new(Gate::default());
    let sink = Arc::new(Busy(gate.clone(), Disk::default()));
    let bus = SessionBus::new(16).with_durable_sink(sink.clone());
    thread::scope(|scope| {
        scope.spawn(|| bus.emit(durable(1)));
        gate.wait_for(1);
        record_all(&*bus.audit_sink());
        assert!(sink.1.taken().is_empty());
        gate.open();
        // Whoever held the sink takes care of them.
        sink.1.wait_for(7);
        sink.1.sync();
    });
    assert_eq!(types(&sink.1.taken())[1..], ALL);
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

#[test]
fn a_sink_that_cannot_take_records_is_a_warning_and_they_are_seen() {
    let bus = SessionBus::new(16).with_durable_sink(Arc::new(WriteOnly::default()));
    let mut subscriber = bus.subscribe_envelopes();
    let warnings = crate::kit::warnings_of(|| bus.audit_sink().record_resumed("c"));
    assert_eq!(warnings, 1);
    assert_eq!(drain(&mut subscriber).len(), 1);
}
