//! Whatever calls the bus from within the bus is not left hanging.

use std::io;
use std::sync::{Arc, Mutex, OnceLock, mpsc};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;

use bus_testkit::eventually;
use bus_tokio::{
    Completer, Driver, DurableSink, Event, SessionBus, SessionEvent, SinkThread, Ticket, TrySubmit,
};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::SubscriberExt;

use crate::kit::{DEADLINE, Disk, Gate, drain, durable, ephemeral, listen, number, numbers};

/// Fails the test instead of hanging it.
fn within_deadline(work: impl FnOnce() + Send + 'static) {
    let (done, is_done) = mpsc::channel();
    let worker = thread::spawn(move || {
        work();
        let _ = done.send(());
    });
    match is_done.recv_timeout(DEADLINE) {
        Err(mpsc::RecvTimeoutError::Timeout) => panic!("deadlock"),
        _ => worker.join().unwrap(),
    }
}

/// A tracing subscriber that emits `event` to a bus for each warning.
struct Emitting {
    bus: SessionBus,
    event: SessionEvent,
    seen: Mutex<usize>,
}

impl<S: tracing::Subscriber> Layer<S> for Emitting {
    fn on_event(&self, _: &tracing::Event<'_>, _: tracing_subscriber::layer::Context<'_, S>) {
        let mut seen = self.seen.lock().unwrap();
        *seen += 1;
        // The event that it emits fails, too: once is enough.
        if *seen == 1 {
            drop(seen);
            self.bus.emit(self.event.clone());
        }
    }
}

struct Failing;

impl DurableSink for Failing {
    fn write(&self, _: &SessionEvent) -> io::Result<()> {
        Err(io::Error::other("no"))
    }
}

#[test]
fn a_tracing_subscriber_that_emits_to_the_bus_does_not_deadlock() {
    for event in [ephemeral(1), durable(1)] {
        within_deadline(move || {
            let bus = SessionBus::new(16).with_durable_sink(Arc::new(Failing));
            let mut subscriber = bus.subscribe();
            let layer = Emitting {
                bus: bus.clone(),
                event: event.clone(),
                seen: Mutex::new(0),
            };
            let traced = tracing_subscriber::registry().with(layer);
            listen();
            tracing::subscriber::with_default(traced, || bus.emit(durable(0)));
            assert_eq!(subscriber.try_recv(), Ok(durable(0)));
            assert_eq!(subscriber.try_recv(), Ok(event));
        });
    }
}

#[test]
fn a_warning_on_the_delivering_thread_may_emit_too() {
    within_deadline(|| {
        let disk = Arc::new(Disk::default());
        let bus = SessionBus::new(16).with_durable_sink(disk.clone());
        let mut subscriber = bus.subscribe_envelopes();
        // An audit record has no emitter that would hear of its failure: the disk's thread warns.
        bus.audit_sink().record_resumed("c");
        let layer = Emitting {
            bus: bus.clone(),
            event: durable(1),
            seen: Mutex::new(0),
        };
        let traced = tracing_subscriber::registry().with(layer);
        listen();
        tracing::subscriber::with_default(traced, || disk.fail("gone"));
        disk.sync();
        let seen = drain(&mut subscriber);
        assert!(seen[0].event.as_audit().is_some());
        assert_eq!(numbers(&seen[1..]), [1]);
    });
}

/// A sink whose work is done by whoever waits, one thread at a time, and is worth a warning.
#[derive(Clone, Default)]
struct Shared(Arc<Work>);

#[derive(Default)]
struct Work {
    at_work: Mutex<()>,
    waiting: Mutex<Vec<Completer>>,
}

impl Driver for Work {
    fn help(&self, _: &dyn Fn() -> bool) {
        // Else whoever is at it does it all.
        let Ok(_at_work) = self.at_work.try_lock() else {
            return;
        };
        tracing::warn!("the disk is slow");
        let waiting = std::mem::take(&mut *self.waiting.lock().unwrap());
        for completer in waiting {
            completer.complete(Ok(None));
        }
    }

    fn start(&self) {}
}

impl DurableSink for Shared {
    fn write(&self, _: &SessionEvent) -> io::Result<()> {
        unreachable!("submit is there")
    }

    fn submit(&self, _: Event) -> Ticket {
        let (ticket, completer) = Ticket::pending_driven(self.0.clone());
        self.0.waiting.lock().unwrap().push(completer);
        ticket
    }

    fn try_submit(&self, event: &Event, _: &Waker) -> TrySubmit {
        TrySubmit::Taken(self.submit(event.clone()))
    }
}

#[test]
fn a_warning_of_a_thread_that_does_its_sinks_work_may_emit_too() {
    within_deadline(|| {
        let bus = SessionBus::new(16).with_durable_sink(Arc::new(Shared::default()));
        let mut subscriber = bus.subscribe_envelopes();
        let layer = Emitting {
            bus: bus.clone(),
            event: durable(1),
            seen: Mutex::new(0),
        };
        let traced = tracing_subscriber::registry().with(layer);
        listen();
        tracing::subscriber::with_default(traced, || bus.emit(durable(0)));
        assert_eq!(numbers(&drain(&mut subscriber)), [0, 1]);
    });
}

#[test]
fn an_emit_on_a_thread_of_a_sink_does_not_wait_for_it() {
    within_deadline(|| {
        let disk = Arc::new(Disk::default());
        let bus = SessionBus::new(16).with_durable_sink(disk.clone());
        let mut subscriber = bus.subscribe_envelopes();
        let own = SinkThread::enter();
        let error = bus.try_emit(durable(1)).unwrap_err();
        assert_eq!((error.kind(), error.seq()), (io::ErrorKind::Deadlock, None));
        drop(own);
        disk.sync();
        assert_eq!(numbers(&drain(&mut subscriber)), [1]);
    });
}

/// A sink that emits what it takes once more, to its own bus.
#[derive(Default)]
struct Echo {
    bus: OnceLock<SessionBus>,
    refused: Mutex<Vec<io::ErrorKind>>,
}

impl DurableSink for Echo {
    fn write(&self, _: &SessionEvent) -> io::Result<()> {
        let bus = self.bus.get().unwrap();
        bus.emit(ephemeral(9));
        bus.audit_sink().record_resumed("from the sink");
        let error = bus.try_emit(durable(9)).unwrap_err();
        assert_eq!(error.seq(), Some(2));
        self.refused.lock().unwrap().push(error.kind());
        Ok(())
    }
}

#[test]
fn a_sink_that_emits_to_its_own_bus_is_refused_and_not_left_hanging() {
    within_deadline(|| {
        let echo = Arc::new(Echo::default());
        let bus = SessionBus::new(16).with_durable_sink(echo.clone());
        assert!(echo.bus.set(bus.clone()).is_ok());
        let mut subscriber = bus.subscribe();
        assert!(bus.try_emit(durable(1)).unwrap().durable);
        for event in [ephemeral(9), durable(9), durable(1)] {
            assert_eq!(subscriber.try_recv(), Ok(event));
        }
        assert_eq!(*echo.refused.lock().unwrap(), [io::ErrorKind::Deadlock]);
    });
}

/// A waker that emits, or panics.
struct Waking {
    bus: SessionBus,
    panics: bool,
}

impl Wake for Waking {
    fn wake(self: Arc<Self>) {
        assert!(!self.panics, "a bad waker");
        self.bus.emit(ephemeral(5));
        let error = self.bus.try_emit(durable(5)).unwrap_err();
        assert_eq!((error.kind(), error.seq()), (io::ErrorKind::Deadlock, None));
    }
}

#[test]
fn a_waker_may_emit_or_panic_and_the_line_goes_on() {
    for panics in [false, true] {
        within_deadline(move || {
            let disk = Arc::new(Disk::default());
            let bus = SessionBus::new(16).with_durable_sink(disk.clone());
            let mut parked = bus.subscribe();
            let mut subscriber = bus.subscribe_envelopes();
            let waker = Waker::from(Arc::new(Waking {
                bus: bus.clone(),
                panics,
            }));
            let mut cx = Context::from_waker(&waker);
            let mut recv = Box::pin(parked.recv());
            assert_eq!(recv.as_mut().poll(&mut cx), Poll::Pending);
            thread::scope(|scope| {
                let emitter = scope.spawn(|| bus.try_emit(durable(1)).unwrap());
                disk.wait_for(1);
                disk.sync();
                assert!(emitter.join().unwrap().durable);
                if !panics {
                    disk.wait_for(2);
                    disk.sync();
                }
            });
            let expected = if panics { 1 } else { 3 };
            assert_eq!(drain(&mut subscriber).len(), expected);
        });
    }
}

/// A sink that completes each ticket on the thread that takes the next.
#[derive(Default)]
struct Late(Mutex<Option<Completer>>);

impl DurableSink for Late {
    fn write(&self, _: &SessionEvent) -> io::Result<()> {
        Ok(())
    }

    fn submit(&self, _: Event) -> Ticket {
        let (ticket, completer) = Ticket::pending();
        let before = self.0.lock().unwrap().replace(completer);
        if let Some(before) = before {
            before.complete(Ok(None));
        }
        ticket
    }

    fn try_submit(&self, event: &Event, _: &Waker) -> TrySubmit {
        TrySubmit::Taken(self.submit(event.clone()))
    }
}

#[test]
fn a_sink_may_complete_earlier_tickets_while_it_takes_the_next() {
    within_deadline(|| {
        let late = Arc::new(Late::default());
        let bus = SessionBus::new(64).with_durable_sink(late.clone());
        let mut subscriber = bus.subscribe_envelopes();
        let audit = bus.audit_sink();
        for i in 0..10 {
            audit.record_memory_recall("tier", "key", i);
        }
        late.0.lock().unwrap().take().unwrap().complete(Ok(None));
        assert_eq!(drain(&mut subscriber).len(), 10);
    });
}

/// A sink that hangs while it takes the event of number 2.
#[derive(Default)]
struct HangsAtTwo {
    gate: Gate,
    disk: Disk,
}

impl DurableSink for HangsAtTwo {
    fn write(&self, _: &SessionEvent) -> io::Result<()> {
        unreachable!("submit is there")
    }

    fn submit(&self, event: Event) -> Ticket {
        if number(&event) == 2 {
            self.gate.pass();
        }
        self.disk.submit(event)
    }
}

#[test]
fn a_waker_that_emits_does_not_wait_for_a_sink_that_is_busy() {
    within_deadline(|| {
        let sink = Arc::new(HangsAtTwo::default());
        let bus = SessionBus::new(16).with_durable_sink(sink.clone());
        let mut subscriber = bus.subscribe_envelopes();
        let mut parked = bus.subscribe();
        let waker = Waker::from(Arc::new(Waking {
            bus: bus.clone(),
            panics: false,
        }));
        let mut recv = Box::pin(parked.recv());
        assert!(
            recv.as_mut()
                .poll(&mut Context::from_waker(&waker))
                .is_pending()
        );
        let mut first = Box::pin(bus.publish(durable(1)));
        let mut cx = Context::from_waker(Waker::noop());
        assert!(first.as_mut().poll(&mut cx).is_pending());
        thread::scope(|scope| {
            scope.spawn(|| bus.emit(durable(2)));
            sink.gate.wait_for(1);
            // Delivers the first, and so wakes the waker, which emits the third.
            sink.disk.sync();
            assert!(first.as_mut().poll(&mut cx).is_ready());
            sink.gate.open();
            sink.disk.wait_for(3);
            sink.disk.sync();
        });
        // The thread that handed the third in may be the one to deliver it.
        let mut seen = Vec::new();
        let all = || {
            seen.extend(drain(&mut subscriber));
            seen.len() == 4
        };
        assert!(eventually(DEADLINE / 2, all));
        assert_eq!(seen[1].event, ephemeral(5).into());
        let durable = [&seen[0], &seen[2], &seen[3]];
        assert_eq!(durable.map(|envelope| number(&envelope.event)), [1, 2, 5]);
    });
}
