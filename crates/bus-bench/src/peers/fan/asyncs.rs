//! async-broadcast.

use std::sync::Arc;

use async_broadcast::{InactiveReceiver, Receiver, RecvError, Sender, TryRecvError, broadcast};
use bus_core::SessionEvent;

use super::{AsyncFan, CAPACITY, Envelope, Fan, Got, look};
use crate::row::Role;

pub(crate) struct AsyncBroadcast;

/// The inactive receiver keeps the channel open where nobody listens.
pub(crate) struct Speaker {
    seq: u64,
    sender: Sender<Arc<Envelope>>,
    _open: InactiveReceiver<Arc<Envelope>>,
}

impl Fan for AsyncBroadcast {
    const NAME: &'static str = "async-broadcast";
    const ROLE: Role = Role::Peer;
    const SETTINGS: &'static str =
        "broadcast::<Arc<Envelope>>(1024), overflow, try_broadcast, recv_direct";

    type Sender = Speaker;
    type Receiver = Receiver<Arc<Envelope>>;

    fn open(receivers: usize) -> (Self::Sender, Vec<Self::Receiver>) {
        let (mut sender, receiver) = broadcast(CAPACITY);
        sender.set_overflow(true);
        // Without it, a channel that nobody listens to refuses what is sent.
        sender.set_await_active(false);
        let active = (0..receivers).map(|_| receiver.new_receiver()).collect();
        let speaker = Speaker {
            seq: 0,
            sender,
            _open: receiver.deactivate(),
        };
        (speaker, active)
    }

    fn send(speaker: &mut Self::Sender, event: SessionEvent) {
        speaker.seq += 1;
        let _ = speaker
            .sender
            .try_broadcast(Envelope::of(speaker.seq, event));
    }

    fn try_recv(receiver: &mut Self::Receiver) -> Got {
        match receiver.try_recv() {
            Ok(envelope) => {
                look(&envelope.event);
                Got::Events(1)
            }
            Err(TryRecvError::Empty) => Got::Nothing,
            Err(TryRecvError::Closed) => Got::Closed,
            Err(TryRecvError::Overflowed(lost)) => Got::Lost(lost),
        }
    }
}

impl AsyncFan for AsyncBroadcast {
    async fn recv(receiver: &mut Self::Receiver) -> Got {
        match receiver.recv_direct().await {
            Ok(envelope) => {
                look(&envelope.event);
                Got::Events(1)
            }
            Err(RecvError::Closed) => Got::Closed,
            Err(RecvError::Overflowed(lost)) => Got::Lost(lost),
        }
    }
}
