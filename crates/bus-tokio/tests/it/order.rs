//! One order, from the sink to every subscriber.

use std::collections::HashSet;
use std::io;
use std::sync::{Arc, Mutex};
use std::thread;

use bus_tokio::{DurableSink, EnvelopeSubscriber, Event, SessionBus, SessionEvent, TryRecvError};

use crate::kit::{
    Disk, Gate, WriteOnly, drain, durable, ephemeral, number, numbers, on_threads, while_syncing,
};

const THREADS: usize = 8;
const EACH: usize = 400;

/// Eight threads emit; the events that each of `subscribers` saw are in the order that `taken` says.
fn emit_from_eight_threads(bus: &SessionBus) {
    on_threads(THREADS, |thread| {
        for i in 0..EACH {
            bus.emit(durable(thread * EACH + i));
        }
    });
}

fn assert_one_order(taken: &[usize], subscribers: &mut [EnvelopeSubscriber]) {
    assert_eq!(taken.len(), THREADS * EACH);
    assert_eq!(taken.iter().collect::<HashSet<_>>().len(), taken.len());
    for subscriber in subscribers {
        assert_eq!(numbers(&drain(subscriber)), taken);
    }
}

fn two_subscribers(bus: &SessionBus) -> [EnvelopeSubscriber; 2] {
    [bus.subscribe_envelopes(), bus.subscribe_envelopes()]
}

/// A sink that looks whether a subscriber sees the event before the sink has it.
struct Watching(Mutex<Option<EnvelopeSubscriber>>);

impl DurableSink for Watching {
    fn write(&self, _: &SessionEvent) -> io::Result<()> {
        let mut subscriber = self.0.lock().unwrap();
        let seen = subscriber.as_mut().unwrap().try_recv();
        match seen {
            Err(TryRecvError::Empty) => Ok(()),
            other => panic!("a subscriber was ahead of the sink: {other:?}"),
        }
    }
}

#[test]
fn the_sink_has_the_event_before_any_subscriber() {
    let sink = Arc::new(Watching(Mutex::new(None)));
    let bus = SessionBus::new(16).with_durable_sink(sink.clone());
    let mut subscriber = bus.subscribe();
    *sink.0.lock().unwrap() = Some(bus.subscribe_envelopes());
    let receipt = bus.try_emit(durable(1)).unwrap();
    assert!(receipt.durable);
    assert_eq!(subscriber.try_recv(), Ok(durable(1)));
}

#[test]
fn a_subscriber_sees_nothing_while_the_disk_has_not_the_event() {
    let disk = Arc::new(Disk::default());
    let bus = SessionBus::new(16).with_durable_sink(disk.clone());
    let mut subscriber = bus.subscribe();
    thread::scope(|scope| {
        let emitter = scope.spawn(|| bus.try_emit(durable(1)).unwrap());
        disk.wait_for(1);
        assert_eq!(subscriber.try_recv(), Err(TryRecvError::Empty));
        assert!(
            !emitter.is_finished(),
            "emit returned before the disk had it"
        );
        disk.sync();
        let receipt = emitter.join().unwrap();
        assert_eq!(
            (receipt.seq, receipt.durable, receipt.ordinal),
            (1, true, Some(1))
        );
    });
    assert_eq!(subscriber.try_recv(), Ok(durable(1)));
}

#[test]
fn emit_returns_after_its_own_broadcast_not_only_after_its_own_sync() {
    let disk = Arc::new(Disk::default());
    let bus = SessionBus::new(16).with_durable_sink(disk.clone());
    let mut subscriber = bus.subscribe_envelopes();
    thread::scope(|scope| {
        let first = scope.spawn(|| bus.emit(durable(1)));
        disk.wait_for(1);
        let second = scope.spawn(|| bus.emit(durable(2)));
        disk.wait_for(2);
        disk.sync_one(2);
        assert!(
            drain(&mut subscriber).is_empty(),
            "the second overtook the first"
        );
        assert!(!second.is_finished(), "emit returned before its broadcast");
        disk.sync_one(1);
        first.join().unwrap();
        second.join().unwrap();
    });
    assert_eq!(numbers(&drain(&mut subscriber)), [1, 2]);
}

#[test]
fn eight_threads_have_one_order_on_a_sink_with_only_write() {
    let sink = Arc::new(WriteOnly::default());
    let bus = SessionBus::new(8192).with_durable_sink(sink.clone());
    let mut subscribers = two_subscribers(&bus);
    emit_from_eight_threads(&bus);
    let taken: Vec<_> = sink
        .written()
        .into_iter()
        .map(|e| number(&e.into()))
        .collect();
    assert_one_order(&taken, &mut subscribers);
}

fn one_order_on_a_disk(sync: fn(&Disk)) {
    let disk = Arc::new(Disk::default());
    let bus = SessionBus::new(8192).with_durable_sink(disk.clone());
    let mut subscribers = two_subscribers(&bus);
    while_syncing(&disk, sync, || emit_from_eight_threads(&bus));
    let taken: Vec<_> = disk.taken().iter().map(number).collect();
    assert_one_order(&taken, &mut subscribers);
}

#[test]
fn eight_threads_have_one_order_on_a_sink_with_submit() {
    one_order_on_a_disk(Disk::sync);
}

#[test]
fn eight_threads_have_one_order_on_a_sink_that_completes_backwards() {
    one_order_on_a_disk(Disk::sync_backwards);
}

#[test]
fn envelopes_carry_the_ordinals_of_the_sink() {
    let disk = Arc::new(Disk::default());
    let bus = SessionBus::new(64).with_durable_sink(disk.clone());
    let mut subscriber = bus.subscribe_envelopes();
    while_syncing(&disk, Disk::sync, || {
        for i in 0..5 {
            bus.emit(durable(i));
            bus.emit(ephemeral(i));
        }
    });
    let ordinals: Vec<_> = drain(&mut subscriber).iter().map(|e| e.ordinal).collect();
    let expected: Vec<_> = (1..=5).flat_map(|ordinal| [Some(ordinal), None]).collect();
    assert_eq!(ordinals, expected);
}

#[test]
fn many_emitters_of_one_session_share_one_sync() {
    let disk = Arc::new(Disk::default());
    let bus = SessionBus::new(64).with_durable_sink(disk.clone());
    let emitters = 32;
    thread::scope(|scope| {
        for i in 0..emitters {
            let bus = &bus;
            scope.spawn(move || bus.emit(durable(i)));
        }
        // All have been taken, and none has returned: one sync is for all of them.
        disk.wait_for(emitters);
        disk.sync();
    });
    assert_eq!(disk.syncs(), 1);
}

/// A sink with only `write`, whose disk hangs at a gate.
struct Hanging(Arc<Gate>);

impl DurableSink for Hanging {
    fn write(&self, _: &SessionEvent) -> io::Result<()> {
        self.0.pass();
        Ok(())
    }
}

#[test]
fn an_ephemeral_event_never_waits_for_the_disk_of_a_durable_one() {
    let gate = Arc::new(Gate::default());
    let disk = Arc::new(Disk::default());
    let hanging = SessionBus::new(16).with_durable_sink(Arc::new(Hanging(gate.clone())));
    let pending = SessionBus::new(16).with_durable_sink(disk.clone());
    thread::scope(|scope| {
        scope.spawn(|| hanging.emit(durable(1)));
        scope.spawn(|| pending.emit(durable(1)));
        gate.wait_for(1);
        disk.wait_for(1);
        for bus in [&hanging, &pending] {
            let mut subscriber = bus.subscribe();
            bus.emit(ephemeral(7));
            assert_eq!(subscriber.try_recv(), Ok(ephemeral(7)));
        }
        gate.open();
        disk.sync();
    });
}

#[test]
fn a_policy_decides_what_goes_to_the_sink() {
    use bus_tokio::DurabilityPolicy::{Everything, Signals, Transcript};
    let events = [durable(1), SessionEvent::Done, ephemeral(1)];
    for (policy, expected) in [(Signals, 1), (Transcript, 2), (Everything, 3)] {
        let sink = Arc::new(WriteOnly::default());
        let bus = SessionBus::new(16)
            .with_durable_sink(sink.clone())
            .with_durability(policy);
        let durable: Vec<_> = events
            .iter()
            .map(|event| bus.try_emit(event.clone()).unwrap().durable)
            .collect();
        assert_eq!(sink.written(), events[..expected]);
        assert_eq!(durable.iter().filter(|durable| **durable).count(), expected);
    }
}

#[test]
fn without_a_sink_nothing_is_durable_and_that_is_no_error() {
    let receipt = SessionBus::new(1).try_emit(durable(1)).unwrap();
    assert_eq!((receipt.durable, receipt.ordinal), (false, None));
}

#[test]
fn handles_of_other_settings_share_ring_and_order() {
    let disk = Arc::new(Disk::default());
    let plain = SessionBus::new(16);
    let mut subscriber = plain.subscribe_envelopes();
    let kept = plain.clone().with_durable_sink(disk.clone());
    thread::scope(|scope| {
        scope.spawn(|| kept.emit(durable(1)));
        disk.wait_for(1);
        assert!(!plain.try_emit(durable(2)).unwrap().durable);
        disk.sync();
    });
    assert_eq!(numbers(&drain(&mut subscriber)), [2, 1]);
    assert_eq!(disk.taken(), [Event::from(durable(1))]);
}
