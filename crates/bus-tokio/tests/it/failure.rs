//! A sink that fails, panics or hangs hurts nobody else.

use std::error::Error;
use std::future::Future;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Waker};
use std::thread;

use bus_tokio::{
    CustomEvent, DurableSink, Event, GraphEvent, NoopSink, SessionBus, SessionEvent, Ticket,
    TryRecvError, Utc,
};

use crate::kit::{Disk, WriteOnly, drain, durable, numbers, warnings_of};

/// Fails or panics on odd numbers.
struct Odd {
    panics: bool,
    submits: bool,
}

impl Odd {
    fn check(&self, event: &SessionEvent) -> io::Result<()> {
        let odd = crate::kit::number(&event.clone().into()) % 2 == 1;
        match (odd, self.panics) {
            (true, true) => panic!("disk on fire"),
            (true, false) => Err(io::Error::new(io::ErrorKind::StorageFull, "no room")),
            (false, _) => Ok(()),
        }
    }
}

impl DurableSink for Odd {
    fn write(&self, event: &SessionEvent) -> io::Result<()> {
        self.check(event)
    }

    fn submit(&self, event: Event) -> Ticket {
        let (ticket, completer) = Ticket::pending();
        let outcome = self.check(event.as_session().unwrap());
        if self.submits {
            thread::spawn(move || completer.complete(outcome.map(|()| Some(7))));
            ticket
        } else {
            Ticket::ready(outcome.map(|()| None))
        }
    }
}

#[test]
fn a_failing_sink_is_a_warning_and_the_broadcast_goes_on() {
    for submits in [false, true] {
        let sink = Odd {
            panics: false,
            submits,
        };
        let bus = SessionBus::new(16).with_durable_sink(Arc::new(sink));
        let mut subscriber = bus.subscribe_envelopes();
        let warnings = warnings_of(|| (0..4).for_each(|i| bus.emit(durable(i))));
        assert_eq!(warnings, 2);
        let seen = drain(&mut subscriber);
        assert_eq!(numbers(&seen), [0, 1, 2, 3]);
        let known = submits.then_some(7);
        let ordinals: Vec<_> = seen.iter().map(|e| e.ordinal).collect();
        assert_eq!(ordinals, [known, None, known, None]);
    }
}

#[test]
fn try_emit_says_why_and_where_and_keeps_the_source() {
    let sink = Odd {
        panics: false,
        submits: false,
    };
    let bus = SessionBus::new(16).with_durable_sink(Arc::new(sink));
    bus.emit(durable(0));
    let error = bus.try_emit(durable(1)).unwrap_err();
    assert_eq!(error.seq(), Some(2));
    assert_eq!(error.kind(), io::ErrorKind::StorageFull);
    assert_eq!(error.source().unwrap().to_string(), "no room");
    assert_eq!(error.to_string(), "event may not be durable: seq 2");
    assert_eq!(error.into_source().to_string(), "no room");
}

#[test]
fn a_panicking_sink_has_failed_and_goes_on() {
    let sink = Odd {
        panics: true,
        submits: false,
    };
    let bus = SessionBus::new(16).with_durable_sink(Arc::new(sink));
    let mut subscriber = bus.subscribe_envelopes();
    let error = bus.try_emit(durable(1)).unwrap_err();
    assert_eq!(
        error.source().unwrap().to_string(),
        "sink panicked: disk on fire"
    );
    assert!(bus.try_emit(durable(2)).unwrap().durable);
    assert_eq!(numbers(&drain(&mut subscriber)), [1, 2]);
}

#[test]
fn a_sink_that_dies_with_an_event_keeps_nobody_waiting() {
    struct Dying;
    impl DurableSink for Dying {
        fn write(&self, _: &SessionEvent) -> io::Result<()> {
            unreachable!("submit is there")
        }
        fn submit(&self, _: Event) -> Ticket {
            Ticket::pending().0
        }
    }
    let bus = SessionBus::new(16).with_durable_sink(Arc::new(Dying));
    let error = bus.try_emit(durable(1)).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
}

#[test]
fn a_failure_in_the_middle_does_not_hold_up_those_behind_it() {
    let disk = Arc::new(Disk::default());
    let bus = SessionBus::new(16).with_durable_sink(disk.clone());
    let mut subscriber = bus.subscribe_envelopes();
    thread::scope(|scope| {
        let emitters = [1, 2].map(|i| {
            let emitter = scope.spawn({
                let bus = &bus;
                move || bus.try_emit(durable(i))
            });
            disk.wait_for(i);
            emitter
        });
        disk.fail("gone");
        for emitter in emitters {
            assert!(emitter.join().unwrap().is_err());
        }
    });
    assert_eq!(numbers(&drain(&mut subscriber)), [1, 2]);
}

#[test]
fn audit_and_custom_events_that_the_sink_cannot_take_are_seen_all_the_same() {
    let sink = Arc::new(WriteOnly::default());
    let bus = SessionBus::new(16).with_durable_sink(sink.clone());
    let mut subscriber = bus.subscribe_envelopes();
    let audit = GraphEvent::Cancelled {
        reason: "x".into(),
        timestamp: Utc::now(),
    };
    let custom = CustomEvent::new("acme.tick", None).unwrap();
    for event in [Event::from(audit), Event::from(custom)] {
        let warnings = warnings_of(|| {
            let error = bus.try_emit(event.clone()).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::Unsupported);
        });
        assert_eq!(warnings, 1);
        assert_eq!(drain(&mut subscriber)[0].event, event);

        let noop = SessionBus::new(16).with_durable_sink(Arc::new(NoopSink));
        assert!(noop.try_emit(event).unwrap().durable);
    }
    assert!(sink.written().is_empty());
}

#[test]
fn a_subscriber_to_session_events_sees_nothing_else() {
    let bus = SessionBus::new(16);
    let mut subscriber = bus.subscribe();
    bus.emit_event(CustomEvent::new("acme.tick", None).unwrap());
    bus.emit(SessionEvent::Thinking);
    let first = subscriber.try_recv().unwrap();
    assert!(matches!(first, SessionEvent::Thinking));
    assert_eq!(subscriber.try_recv(), Err(TryRecvError::Empty));
}

#[test]
fn nobody_listening_is_no_error() {
    let sink = Arc::new(WriteOnly::default());
    let bus = SessionBus::new(16).with_durable_sink(sink.clone());
    assert_eq!(bus.subscriber_count(), 0);
    assert!(bus.try_emit(durable(1)).unwrap().durable);
    assert_eq!(sink.written(), [durable(1)]);
}

/// Hands over tickets that have told their outcome already.
struct Spent;

impl DurableSink for Spent {
    fn write(&self, _: &SessionEvent) -> io::Result<()> {
        Ok(())
    }

    fn submit(&self, _: Event) -> Ticket {
        let mut ticket = Ticket::ready(Ok(None));
        let polled = pin!(&mut ticket).poll(&mut Context::from_waker(Waker::noop()));
        assert!(polled.is_ready());
        ticket
    }
}

#[test]
fn a_ticket_that_has_told_already_is_a_failure_and_holds_up_nobody() {
    let bus = SessionBus::new(16).with_durable_sink(Arc::new(Spent));
    let mut subscriber = bus.subscribe_envelopes();
    assert!(bus.try_emit(durable(1)).is_err());
    assert!(bus.try_emit(durable(2)).is_err());
    assert_eq!(numbers(&drain(&mut subscriber)), [1, 2]);
}
