//! Ours: `SessionBus`, by its public API.

use std::sync::Arc;

use bus_core::SessionEvent;
use bus_tokio::{Envelope, EnvelopeSubscriber, RecvError, SessionBus, Subscriber, TryRecvError};

use super::{AsyncFan, CAPACITY, Fan, Got, look, look_session};
use crate::row::Role;

/// Shared envelopes, one at a time.
pub(crate) struct Bus;

/// Shared envelopes, up to 256 at a time.
pub(crate) struct BusMany;

/// Owned session events, as `subscribe` gives them.
pub(crate) struct BusOwned;

const MANY: usize = 256;

/// A subscriber with room to take many.
pub(crate) struct Many {
    subscriber: EnvelopeSubscriber,
    taken: Vec<Arc<Envelope>>,
}

fn tried(error: TryRecvError) -> Got {
    match error {
        TryRecvError::Empty => Got::Nothing,
        TryRecvError::Closed => Got::Closed,
        TryRecvError::Lagged(lost) => Got::Lost(lost),
    }
}

fn failed(error: RecvError) -> Got {
    match error {
        RecvError::Closed => Got::Closed,
        RecvError::Lagged(lost) => Got::Lost(lost),
    }
}

impl Fan for Bus {
    const NAME: &'static str = "bus";
    const ROLE: Role = Role::Ours;
    const SETTINGS: &'static str = "SessionBus::new(1024), no sink, subscribe_envelopes, recv";

    type Sender = SessionBus;
    type Receiver = EnvelopeSubscriber;

    fn open(receivers: usize) -> (Self::Sender, Vec<Self::Receiver>) {
        let bus = SessionBus::new(CAPACITY);
        let subscribers = (0..receivers).map(|_| bus.subscribe_envelopes()).collect();
        (bus, subscribers)
    }

    fn send(bus: &mut Self::Sender, event: SessionEvent) {
        bus.emit(event);
    }

    fn try_recv(subscriber: &mut Self::Receiver) -> Got {
        match subscriber.try_recv() {
            Ok(envelope) => {
                look(&envelope.event);
                Got::Events(1)
            }
            Err(error) => tried(error),
        }
    }
}

impl AsyncFan for Bus {
    async fn recv(subscriber: &mut Self::Receiver) -> Got {
        match subscriber.recv().await {
            Ok(envelope) => {
                look(&envelope.event);
                Got::Events(1)
            }
            Err(error) => failed(error),
        }
    }
}

impl Fan for BusMany {
    const NAME: &'static str = "bus, recv_many";
    const ROLE: Role = Role::Ours;
    const SETTINGS: &'static str = "SessionBus::new(1024), no sink, subscribe_envelopes, recv_many";

    type Sender = SessionBus;
    type Receiver = Many;

    fn open(receivers: usize) -> (Self::Sender, Vec<Self::Receiver>) {
        let (bus, subscribers) = Bus::open(receivers);
        let many = |subscriber| Many {
            subscriber,
            taken: Vec::with_capacity(MANY),
        };
        (bus, subscribers.into_iter().map(many).collect())
    }

    fn send(bus: &mut Self::Sender, event: SessionEvent) {
        bus.emit(event);
    }

    fn try_recv(many: &mut Self::Receiver) -> Got {
        Bus::try_recv(&mut many.subscriber)
    }
}

impl AsyncFan for BusMany {
    async fn recv(many: &mut Self::Receiver) -> Got {
        match many.subscriber.recv_many(&mut many.taken, MANY).await {
            Ok(count) => {
                for envelope in many.taken.drain(..) {
                    look(&envelope.event);
                }
                Got::Events(count as u64)
            }
            Err(error) => failed(error),
        }
    }
}

impl Fan for BusOwned {
    const NAME: &'static str = "bus, owned events";
    const ROLE: Role = Role::OursToo;
    const SETTINGS: &'static str = "SessionBus::new(1024), no sink, subscribe, recv";

    type Sender = SessionBus;
    type Receiver = Subscriber;

    fn open(receivers: usize) -> (Self::Sender, Vec<Self::Receiver>) {
        let bus = SessionBus::new(CAPACITY);
        let subscribers = (0..receivers).map(|_| bus.subscribe()).collect();
        (bus, subscribers)
    }

    fn send(bus: &mut Self::Sender, event: SessionEvent) {
        bus.emit(event);
    }

    fn try_recv(subscriber: &mut Self::Receiver) -> Got {
        match subscriber.try_recv() {
            Ok(event) => {
                look_session(&event);
                Got::Events(1)
            }
            Err(error) => tried(error),
        }
    }
}

impl AsyncFan for BusOwned {
    async fn recv(subscriber: &mut Self::Receiver) -> Got {
        match subscriber.recv().await {
            Ok(event) => {
                look_session(&event);
                Got::Events(1)
            }
            Err(error) => failed(error),
        }
    }
}
