//! From one sender to many receivers, each of which gets every event.

mod asyncs;
mod kanals;
mod ours;
mod polled;
mod tokios;

use std::future::Future;
use std::sync::Arc;

use bus_core::{DateTime, Event, SessionEvent, Utc};

use crate::row::Role;

pub(crate) use asyncs::AsyncBroadcast;
pub(crate) use kanals::Kanal;
pub(crate) use ours::{Bus, BusMany, BusOwned};
pub(crate) use polled::{Disruptor, Seqlock};
pub(crate) use tokios::{TokioArc, TokioOwned};

/// How many events a receiver may fall behind, in every row.
pub(crate) const CAPACITY: usize = 1024;

/// What a receiver found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Got {
    Events(u64),
    Lost(u64),
    Nothing,
    Closed,
}

/// A channel to many receivers.
pub(crate) trait Fan: 'static {
    const NAME: &'static str;
    const ROLE: Role;
    const SETTINGS: &'static str;

    type Sender: Send + 'static;
    type Receiver: Send + 'static;

    fn open(receivers: usize) -> (Self::Sender, Vec<Self::Receiver>);

    /// Sends one event; no receiver is not an error.
    fn send(sender: &mut Self::Sender, event: SessionEvent);

    /// Takes the next event, if it is there, and looks at it.
    fn try_recv(receiver: &mut Self::Receiver) -> Got;
}

/// One whose receivers can wait in a task.
pub(crate) trait AsyncFan: Fan {
    /// Waits for the next event, or for the next few where the channel can.
    fn recv(receiver: &mut Self::Receiver) -> impl Future<Output = Got> + Send;
}

/// The fields of ours, for peers that share one allocation among receivers as we do.
pub(crate) struct Envelope {
    #[expect(dead_code, reason = "carried as ours carries it")]
    pub(crate) seq: u64,
    #[expect(dead_code, reason = "carried as ours carries it")]
    pub(crate) at: DateTime<Utc>,
    #[expect(dead_code, reason = "carried as ours carries it")]
    pub(crate) ordinal: Option<u64>,
    pub(crate) event: Event,
}

impl Envelope {
    pub(crate) fn of(seq: u64, event: SessionEvent) -> Arc<Self> {
        Arc::new(Self {
            seq,
            at: Utc::now(),
            ordinal: None,
            event: event.into(),
        })
    }
}

/// Looks at an event, so that nobody can leave out fetching it.
pub(crate) fn look(event: &Event) {
    if let Event::Session(event) = event {
        look_session(event);
    }
}

pub(crate) fn look_session(event: &SessionEvent) {
    if let SessionEvent::TextChunk(text) = event {
        std::hint::black_box(text.as_bytes().first().copied());
    }
}
