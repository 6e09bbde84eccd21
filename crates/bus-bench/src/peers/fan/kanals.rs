//! kanal: a queue, so every receiver gets one of its own.

use std::sync::Arc;

use bus_core::SessionEvent;
use kanal::{AsyncReceiver, Sender, bounded};

use super::{AsyncFan, CAPACITY, Envelope, Fan, Got, look};
use crate::row::Role;

pub(crate) struct Kanal;

impl Fan for Kanal {
    const NAME: &'static str = "kanal, one each";
    const ROLE: Role = Role::Peer;
    const SETTINGS: &'static str =
        "bounded::<Arc<Envelope>>(1024) per receiver, try_send (a full one misses the event)";

    type Sender = (u64, Vec<Sender<Arc<Envelope>>>);
    type Receiver = AsyncReceiver<Arc<Envelope>>;

    fn open(receivers: usize) -> (Self::Sender, Vec<Self::Receiver>) {
        let channels = (0..receivers).map(|_| bounded(CAPACITY));
        let (senders, receivers) = channels
            .map(|(sender, receiver)| (sender, receiver.to_async()))
            .unzip();
        ((0, senders), receivers)
    }

    fn send((seq, senders): &mut Self::Sender, event: SessionEvent) {
        *seq += 1;
        let envelope = Envelope::of(*seq, event);
        for sender in senders {
            // A full channel misses it, as a slow screen would.
            let _ = sender.try_send(Arc::clone(&envelope));
        }
    }

    fn try_recv(receiver: &mut Self::Receiver) -> Got {
        match receiver.try_recv() {
            Ok(Some(envelope)) => {
                look(&envelope.event);
                Got::Events(1)
            }
            Ok(None) => Got::Nothing,
            Err(_) => Got::Closed,
        }
    }
}

impl AsyncFan for Kanal {
    async fn recv(receiver: &mut Self::Receiver) -> Got {
        match receiver.recv().await {
            Ok(envelope) => {
                look(&envelope.event);
                Got::Events(1)
            }
            Err(_) => Got::Closed,
        }
    }
}
