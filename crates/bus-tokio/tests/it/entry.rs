//! Events with a meta, and of every kind, by whichever way they come back.

use std::sync::Arc;

use bus_testkit::{block_on, samples};
use bus_tokio::{
    AuditSink, CustomEvent, Entry, Event, EventEmitter, Followed, GraphEvent, InMemorySessionLog,
    Json, Meta, SessionBus, SessionEvent, SessionLog, Utc, to_micros,
};

use crate::kit::{WriteOnly, drain, durable, ephemeral};

fn bus() -> (Arc<InMemorySessionLog>, SessionBus) {
    let log = Arc::new(InMemorySessionLog::new());
    let bus = SessionBus::new(64).with_log(log.clone(), samples::key("s"));
    (log, bus)
}

fn with_id(event: impl Into<Event>, id: &str) -> Entry {
    Entry {
        meta: Meta::default().with("id", id).unwrap(),
        ..Entry::from(event.into())
    }
}

#[test]
fn the_meta_of_an_event_comes_back_live_from_the_log_and_to_who_follows() {
    let (log, bus) = bus();
    let mut live = bus.subscribe_envelopes();
    let mut follow = bus.follow(0).unwrap();
    let entries: Vec<_> = ["a", "b", "c"]
        .into_iter()
        .zip(1..)
        .map(|(id, number)| with_id(durable(number), id))
        .collect();
    bus.emit_entry(entries[0].clone());
    let tried = bus.try_emit_entry(entries[1].clone()).unwrap();
    let published = block_on(bus.publish_entry(entries[2].clone())).unwrap();
    assert_eq!((tried.ordinal, published.ordinal), (Some(2), Some(3)));
    let seen = drain(&mut live);
    let read = block_on(log.load_since(&samples::key("s"), 0)).unwrap();
    for (index, entry) in entries.iter().enumerate() {
        assert_eq!(seen[index].meta, entry.meta);
        assert_eq!(to_micros(seen[index].at), entry.at);
        assert_eq!(Entry::from(read[index].clone()), *entry);
        let Some(Ok(Followed::Recorded(event))) = block_on(follow.next()) else {
            panic!("nothing recorded");
        };
        assert_eq!((event.meta(), event.at()), (&entry.meta, entry.at));
        assert_eq!(event.into_recorded(), read[index]);
    }
}

#[test]
fn the_meta_of_an_event_that_is_only_live_is_in_its_envelope() {
    let bus = SessionBus::new(8);
    let mut live = bus.subscribe_envelopes();
    let receipt = block_on(bus.publish_entry(with_id(ephemeral(1), "e"))).unwrap();
    assert!(!receipt.durable);
    bus.emit_entry(with_id(ephemeral(2), "f"));
    let ids = drain(&mut live)
        .into_iter()
        .map(|e| e.meta.id())
        .collect::<Vec<_>>();
    assert_eq!(ids, [Some("e".into()), Some("f".into())]);
}

#[test]
fn an_event_with_a_meta_goes_to_a_sink_that_is_no_log_without_it() {
    let sink = Arc::new(WriteOnly::default());
    let bus = SessionBus::new(8).with_durable_sink(sink.clone());
    let mut live = bus.subscribe_envelopes();
    assert!(
        bus.try_emit_entry(with_id(durable(1), "e"))
            .unwrap()
            .durable
    );
    assert_eq!(sink.written(), [durable(1)]);
    assert_eq!(drain(&mut live)[0].meta.id().as_deref(), Some("e"));
}

#[test]
fn a_framework_says_by_the_trait_whatever_the_bus_can_carry() {
    let (log, bus) = bus();
    let emitter: Arc<dyn EventEmitter> = Arc::new(bus.clone());
    let meta = Meta::default().with("turn_id", "t-1").unwrap();
    let custom = CustomEvent::new("acme.plan_changed", Json::parse("[1]").unwrap()).unwrap();
    let events: [Event; 3] = [
        durable(1).into(),
        GraphEvent::resumed("c").into(),
        custom.into(),
    ];
    for event in &events {
        assert!(emitter.emit_with_meta(event.clone(), meta.clone()));
    }
    let read = block_on(log.load_since(&samples::key("s"), 0)).unwrap();
    assert!(read.iter().all(|recorded| recorded.meta == meta));
    assert!(read.into_iter().map(|recorded| recorded.event).eq(events));
}

#[test]
fn a_framework_publishes_by_the_trait_and_is_told_the_ordinal() {
    let (log, bus) = bus();
    let emitter: Arc<dyn EventEmitter> = Arc::new(bus);
    let meta = Meta::default().with("turn_id", "t-1").unwrap();
    let custom = CustomEvent::new("acme.plan_changed", Json::parse("[1]").unwrap()).unwrap();
    let told = |event: Event| block_on(emitter.publish(event, meta.clone())).unwrap();
    assert_eq!(told(durable(1).into()), Some(1));
    assert_eq!(told(ephemeral(1).into()), None);
    assert_eq!(told(custom.clone().into()), Some(2));
    let read = block_on(log.load_since(&samples::key("s"), 1)).unwrap();
    assert_eq!((&read[0].meta, &read[0].event), (&meta, &custom.into()));
}

#[test]
fn a_framework_that_publishes_what_a_sink_cannot_take_is_told_the_sinks_reason() {
    let bus = SessionBus::new(16).with_durable_sink(Arc::new(WriteOnly::default()));
    let mut live = bus.subscribe_envelopes();
    let emitter: Arc<dyn EventEmitter> = Arc::new(bus);
    let audit = GraphEvent::resumed("c").into();
    let refused = block_on(emitter.publish(audit, Meta::default())).unwrap_err();
    assert_eq!(refused.kind(), std::io::ErrorKind::Unsupported);
    assert_eq!(drain(&mut live).len(), 1, "screens see it all the same");
}

#[test]
fn the_audit_sink_takes_every_event_of_the_audit_trail_with_its_time() {
    let (log, bus) = bus();
    let events = [
        GraphEvent::resumed("c"),
        GraphEvent::Warning {
            code: "repeats".into(),
            message: "the model repeats itself".into(),
            timestamp: to_micros(Utc::now()),
        },
    ];
    let audit = bus.audit_sink();
    for event in &events {
        assert!(audit.record_event(event.clone()));
    }
    block_on(bus.flush());
    let read = block_on(log.load_since(&samples::key("s"), 0)).unwrap();
    assert!(
        read.iter()
            .all(|r| Some(&r.at) == r.event.as_audit().map(GraphEvent::timestamp))
    );
    let read: Vec<_> = read.into_iter().map(|recorded| recorded.event).collect();
    assert_eq!(read, events.map(Event::from));
    assert_eq!(bus.audit_stats().unwrap().written, 2);
}

#[test]
fn an_event_of_ours_that_was_emitted_as_custom_is_typed_for_who_takes_it_as_recorded() {
    let (log, bus) = bus();
    let json = Json::parse(r#"{"type":"session.thinking"}"#).unwrap();
    let custom = Event::from(CustomEvent::from_json(json).unwrap());
    let mut follow = bus.follow(0).unwrap();
    let mut came_live = false;
    // The first may be read from the log.
    for ordinal in 1..100 {
        block_on(bus.publish(custom.clone())).unwrap();
        let Some(Ok(Followed::Recorded(event))) = block_on(follow.next()) else {
            panic!("nothing recorded");
        };
        came_live |= *event.event() == custom;
        let read = block_on(log.load_since(&samples::key("s"), ordinal - 1)).unwrap();
        assert_eq!(read[0].event, SessionEvent::Thinking.into());
        assert_eq!(event.into_recorded(), read[0]);
    }
    assert!(came_live);
}
