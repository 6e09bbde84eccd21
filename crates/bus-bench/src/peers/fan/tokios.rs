//! tokio's broadcast: of owned events, the plain way; and of shared envelopes.

use std::sync::Arc;

use bus_core::SessionEvent;
use tokio::sync::broadcast::error::{RecvError, TryRecvError};
use tokio::sync::broadcast::{Receiver, Sender, channel};

use super::{AsyncFan, CAPACITY, Envelope, Fan, Got, look, look_session};
use crate::row::Role;

/// The plain way: every receiver clones the event.
pub(crate) struct TokioOwned;

/// One allocation per event, shared.
pub(crate) struct TokioArc;

fn open<T: Clone>(receivers: usize) -> (Sender<T>, Vec<Receiver<T>>) {
    let (sender, _) = channel(CAPACITY);
    let subscribed = (0..receivers).map(|_| sender.subscribe()).collect();
    (sender, subscribed)
}

fn tried<T>(result: Result<T, TryRecvError>, look: impl FnOnce(&T)) -> Got {
    match result {
        Ok(event) => {
            look(&event);
            Got::Events(1)
        }
        Err(TryRecvError::Empty) => Got::Nothing,
        Err(TryRecvError::Closed) => Got::Closed,
        Err(TryRecvError::Lagged(lost)) => Got::Lost(lost),
    }
}

fn received<T>(result: Result<T, RecvError>, look: impl FnOnce(&T)) -> Got {
    match result {
        Ok(event) => {
            look(&event);
            Got::Events(1)
        }
        Err(RecvError::Closed) => Got::Closed,
        Err(RecvError::Lagged(lost)) => Got::Lost(lost),
    }
}

impl Fan for TokioOwned {
    const NAME: &'static str = "tokio broadcast, owned";
    const ROLE: Role = Role::Seed;
    const SETTINGS: &'static str = "channel::<SessionEvent>(1024)";

    type Sender = Sender<SessionEvent>;
    type Receiver = Receiver<SessionEvent>;

    fn open(receivers: usize) -> (Self::Sender, Vec<Self::Receiver>) {
        open(receivers)
    }

    fn send(sender: &mut Self::Sender, event: SessionEvent) {
        // It fails if nobody listens, which is no failure of ours.
        let _ = sender.send(event);
    }

    fn try_recv(receiver: &mut Self::Receiver) -> Got {
        tried(receiver.try_recv(), look_session)
    }
}

impl AsyncFan for TokioOwned {
    async fn recv(receiver: &mut Self::Receiver) -> Got {
        received(receiver.recv().await, look_session)
    }
}

impl Fan for TokioArc {
    const NAME: &'static str = "tokio broadcast, Arc<Envelope>";
    const ROLE: Role = Role::Peer;
    const SETTINGS: &'static str =
        "channel::<Arc<Envelope>>(1024), with what our envelope shows: seq, at, ordinal, event";

    type Sender = (u64, Sender<Arc<Envelope>>);
    type Receiver = Receiver<Arc<Envelope>>;

    fn open(receivers: usize) -> (Self::Sender, Vec<Self::Receiver>) {
        let (sender, receivers) = open(receivers);
        ((0, sender), receivers)
    }

    fn send((seq, sender): &mut Self::Sender, event: SessionEvent) {
        *seq += 1;
        // It fails if nobody listens, which is no failure of ours.
        let _ = sender.send(Envelope::of(*seq, event));
    }

    fn try_recv(receiver: &mut Self::Receiver) -> Got {
        tried(receiver.try_recv(), |envelope| look(&envelope.event))
    }
}

impl AsyncFan for TokioArc {
    async fn recv(receiver: &mut Self::Receiver) -> Got {
        received(receiver.recv().await, |envelope| look(&envelope.event))
    }
}
