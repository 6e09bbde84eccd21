//! The channel that came before the bus gets what it has room for.

use std::io;
use std::sync::{Arc, Mutex};
use std::task::{Context, Wake, Waker};

use bus_tokio::{CustomEvent, DurableSink, SessionBus, SessionEvent, TryRecvError};
use tokio::sync::mpsc;

use crate::kit::{WriteOnly, durable, ephemeral};

#[test]
fn the_legacy_channel_gets_every_session_event_and_nothing_else() {
    let (tx, mut rx) = mpsc::channel(8);
    let bus = SessionBus::new(8)
        .with_legacy_mpsc(tx)
        .with_durable_sink(Arc::new(WriteOnly::default()));
    bus.emit(ephemeral(1));
    bus.emit_event(CustomEvent::new("acme.tick", None).unwrap());
    bus.audit_sink().record_resumed("c");
    bus.emit(durable(2));
    drop(bus);
    assert_eq!(rx.blocking_recv(), Some(ephemeral(1)));
    assert_eq!(rx.blocking_recv(), Some(durable(2)));
    assert_eq!(rx.blocking_recv(), None);
}

#[test]
fn a_full_or_closed_legacy_channel_hurts_nobody() {
    let (full, mut kept) = mpsc::channel(1);
    let (closed, rx) = mpsc::channel(1);
    drop(rx);
    for tx in [full, closed] {
        let sink = Arc::new(WriteOnly::default());
        let bus = SessionBus::new(8)
            .with_durable_sink(sink.clone())
            .with_legacy_mpsc(tx);
        let mut subscriber = bus.subscribe();
        for event in [durable(1), ephemeral(2), durable(3)] {
            bus.try_emit(event.clone()).unwrap();
            assert_eq!(subscriber.try_recv(), Ok(event));
        }
        assert_eq!(sink.written().len(), 2);
    }
    assert_eq!(kept.try_recv(), Ok(durable(1)));
    assert!(kept.try_recv().is_err(), "a full channel took more");
}

/// A sink that looks whether the legacy channel is ahead of it.
struct First(Mutex<mpsc::Receiver<SessionEvent>>);

impl DurableSink for First {
    fn write(&self, _: &SessionEvent) -> io::Result<()> {
        let seen = self.0.lock().unwrap().try_recv();
        assert!(seen.is_err(), "the legacy channel was ahead of the sink");
        Ok(())
    }
}

#[test]
fn the_legacy_channel_is_behind_the_sink() {
    let (tx, rx) = mpsc::channel(8);
    let sink = Arc::new(First(Mutex::new(rx)));
    let bus = SessionBus::new(8)
        .with_durable_sink(sink.clone())
        .with_legacy_mpsc(tx);
    bus.try_emit(durable(1)).unwrap();
    assert_eq!(sink.0.lock().unwrap().try_recv(), Ok(durable(1)));
}

#[test]
fn a_reader_of_the_legacy_channel_whose_waker_panics_hurts_nobody() {
    struct Bad;
    impl Wake for Bad {
        fn wake(self: Arc<Self>) {
            panic!("a bad waker");
        }
    }
    let (tx, mut rx) = mpsc::channel(8);
    let bus = SessionBus::new(8)
        .with_legacy_mpsc(tx)
        .with_durable_sink(Arc::new(WriteOnly::default()));
    let mut subscriber = bus.subscribe();
    let bad = Waker::from(Arc::new(Bad));
    let mut cx = Context::from_waker(&bad);
    for event in [durable(1), ephemeral(2)] {
        assert!(rx.poll_recv(&mut cx).is_pending());
        bus.emit(event.clone());
        assert_eq!(subscriber.try_recv(), Ok(event.clone()));
        assert_eq!(rx.try_recv(), Ok(event));
    }
}

#[test]
fn the_legacy_channel_is_ahead_of_subscribers() {
    let (tx, mut rx) = mpsc::channel(64);
    let bus = SessionBus::new(64).with_legacy_mpsc(tx);
    let mut subscriber = bus.subscribe();
    let reader = std::thread::spawn(move || {
        let mut seen = 0;
        loop {
            match subscriber.try_recv() {
                Ok(event) => {
                    assert_eq!(rx.try_recv(), Ok(event), "a subscriber was ahead");
                    seen += 1;
                }
                Err(TryRecvError::Closed) => return seen,
                Err(TryRecvError::Empty) => std::thread::yield_now(),
                Err(lag) => panic!("{lag}"),
            }
        }
    });
    for i in 0..64 {
        bus.emit(ephemeral(i));
    }
    drop(bus);
    assert_eq!(reader.join().unwrap(), 64);
}
