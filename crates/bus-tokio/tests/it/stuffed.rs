//! A sink that says that it is full, and of which nothing else is known.

use std::future::Future;
use std::io;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::{Duration, Instant};

use bus_tokio::{DurableSink, Event, SessionBus, SessionEvent, SinkThread, Ticket, TrySubmit};

use crate::kit::{DEADLINE, drain, durable, number, numbers, warnings_in};

fn poll<F: Future + Unpin>(future: &mut F) -> Poll<F::Output> {
    std::pin::Pin::new(future).poll(&mut Context::from_waker(Waker::noop()))
}

/// Is full for good.
struct Stuffed(Option<Duration>);

impl DurableSink for Stuffed {
    fn write(&self, _: &SessionEvent) -> io::Result<()> {
        unreachable!("it is full")
    }

    fn try_submit(&self, _: &Event, _: &Waker) -> TrySubmit {
        TrySubmit::Full
    }

    fn patience(&self) -> Option<Duration> {
        self.0
    }
}

/// Is full until it is given room, and then wakes those who came in vain.
#[derive(Default)]
struct Full {
    state: Mutex<State>,
    patience: Option<Duration>,
}

#[derive(Default)]
struct State {
    has_room: bool,
    waiting: Vec<Waker>,
    taken: Vec<Event>,
}

impl Full {
    fn make_room(&self) {
        let mut state = self.state.lock().unwrap();
        state.has_room = true;
        let waiting = std::mem::take(&mut state.waiting);
        drop(state);
        waiting.into_iter().for_each(Waker::wake);
    }

    fn taken(&self) -> Vec<Event> {
        self.state.lock().unwrap().taken.clone()
    }
}

impl DurableSink for Full {
    fn write(&self, _: &SessionEvent) -> io::Result<()> {
        unreachable!("it says when it is full")
    }

    fn try_submit(&self, event: &Event, room: &Waker) -> TrySubmit {
        let mut state = self.state.lock().unwrap();
        if !state.has_room {
            state.waiting.push(room.clone());
            return TrySubmit::Full;
        }
        state.taken.push(event.clone());
        TrySubmit::Taken(Ticket::ready(Ok(Some(state.taken.len() as u64))))
    }

    fn patience(&self) -> Option<Duration> {
        self.patience
    }
}

#[test]
fn an_emit_tries_a_sink_that_stays_full_as_long_as_the_sink_says() {
    let patience = Duration::from_millis(30);
    let bus = SessionBus::new(16).with_durable_sink(Arc::new(Stuffed(Some(patience))));
    let mut seen = bus.subscribe();
    let begun = Instant::now();
    let refused = bus.try_emit(durable(1)).unwrap_err();
    assert!(begun.elapsed() >= patience);
    let cause = std::error::Error::source(&refused).unwrap().to_string();
    assert!(cause.contains("stayed full"), "{cause}");
    assert_eq!(seen.try_recv().unwrap(), durable(1));
}

#[test]
fn publishes_that_find_a_sink_full_are_all_given_up_in_the_time_of_one() {
    let patience = Duration::from_secs(1);
    let bus = SessionBus::new(16).with_durable_sink(Arc::new(Stuffed(Some(patience))));
    let mut seen = bus.subscribe_envelopes();
    let begun = Instant::now();
    let mut publishes: Vec<_> = (0..6).map(|i| Box::pin(bus.publish(durable(i)))).collect();
    for publish in &mut publishes {
        assert!(poll(publish).is_pending());
    }
    for publish in publishes {
        let error = bus_testkit::block_on(publish).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }
    assert_eq!(numbers(&drain(&mut seen)), [0, 1, 2, 3, 4, 5]);
    drop(bus);
    let took = begun.elapsed();
    assert!(took < 3 * patience, "{took:?} for all");
}

#[test]
fn a_sink_with_no_end_of_patience_is_tried_until_it_has_room() {
    let sink = Arc::new(Full {
        patience: Some(Duration::MAX),
        ..Full::default()
    });
    let bus = SessionBus::new(16).with_durable_sink(sink.clone());
    let mut publishes: Vec<_> = (0..2).map(|i| Box::pin(bus.publish(durable(i)))).collect();
    for publish in &mut publishes {
        assert!(poll(publish).is_pending());
    }
    sink.make_room();
    for (publish, ordinal) in publishes.into_iter().zip(1..) {
        let receipt = bus_testkit::block_on(publish).unwrap();
        assert_eq!(receipt.ordinal, Some(ordinal));
    }
}

#[test]
fn a_sink_that_has_room_again_takes_what_waited_in_its_order() {
    let sink = Arc::new(Full::default());
    let bus = SessionBus::new(128).with_durable_sink(sink.clone());
    let mut publishes: Vec<_> = (0..50).map(|i| Box::pin(bus.publish(durable(i)))).collect();
    for publish in &mut publishes {
        assert!(poll(publish).is_pending());
    }
    bus.audit_sink().record_resumed("behind them");
    let mut flush = Box::pin(bus.flush());
    assert!(poll(&mut flush).is_pending(), "it waits for what waits");
    thread::scope(|scope| {
        let emitter = scope.spawn(|| bus.try_emit(durable(51)).unwrap().ordinal);
        sink.make_room();
        for (publish, ordinal) in publishes.into_iter().zip(1..) {
            let receipt = bus_testkit::block_on(publish).unwrap();
            assert_eq!(receipt.ordinal, Some(ordinal));
        }
        bus_testkit::block_on(flush);
        assert!(emitter.join().unwrap().is_some_and(|ordinal| ordinal > 50));
    });
    let taken = sink.taken();
    assert!(taken[..50].iter().map(number).eq(0..50));
    assert_eq!(taken.len(), 52);
}

#[test]
fn an_emit_returns_when_a_full_sink_has_room() {
    let sink = Arc::new(Full::default());
    let bus = SessionBus::new(16).with_durable_sink(sink.clone());
    thread::scope(|scope| {
        let emitter = scope.spawn(|| bus.try_emit(durable(1)));
        let came = || !sink.state.lock().unwrap().waiting.is_empty();
        assert!(bus_testkit::eventually(DEADLINE, came));
        sink.make_room();
        assert_eq!(emitter.join().unwrap().unwrap().ordinal, Some(1));
    });
}

/// A bus in whose line there is no place left.
fn crowded(sink: &Arc<Full>) -> SessionBus {
    let bus = SessionBus::new(16).with_durable_sink(sink.clone());
    // One takes as many places as it has KiB, or all that there are.
    let SessionEvent::TokenUsage(mut large) = durable(0) else {
        unreachable!("the kit's durable event");
    };
    large.model = "x".repeat(64 << 20);
    let large = SessionEvent::TokenUsage(large);
    assert!(poll(&mut Box::pin(bus.publish(large))).is_pending());
    bus
}

#[test]
fn a_publish_that_is_given_up_before_it_has_a_place_is_not_said_to_have_been_broadcast() {
    let sink = Arc::new(Full::default());
    let bus = crowded(&sink);
    let mut seen = bus.subscribe_envelopes();
    let mut pending = false;
    let warnings =
        warnings_in(|| pending = poll(&mut Box::pin(bus.publish(durable(1)))).is_pending());
    let seen = drain(&mut seen);
    sink.make_room();
    assert!(pending);
    assert_eq!(seen, []);
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert!(warnings[0].contains("was not broadcast"), "{warnings:?}");
}

#[test]
fn an_emit_past_the_line_warns_once_that_it_was_broadcast_and_where() {
    let sink = Arc::new(Full::default());
    let bus = crowded(&sink);
    let mut seen = bus.subscribe_envelopes();
    let mut told = None;
    let warnings = warnings_in(|| {
        let _own = SinkThread::enter();
        let error = bus.try_emit(durable(1)).unwrap_err();
        told = Some((error.kind(), error.seq()));
    });
    let seen = drain(&mut seen);
    sink.make_room();
    assert_eq!(told, Some((io::ErrorKind::WouldBlock, Some(1))));
    assert_eq!(numbers(&seen), [1]);
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    let is_told = |words| warnings[0].contains(words);
    assert!(
        is_told("was broadcast all the same") && is_told("seq=1"),
        "{warnings:?}"
    );
}
