//! What travels on the bus.

use bus_core::{DateTime, Event, Utc};

/// An event on the bus, with its place there and in the log.
///
/// One allocation per event, shared by all subscribers: see
/// [`subscribe_envelopes`](crate::SessionBus::subscribe_envelopes).
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Envelope {
    /// 1-based position on this bus, over durable and ephemeral events alike, without gaps. It is
    /// counted anew by every bus: to find an event again, use the ordinal.
    pub seq: u64,
    /// When it was emitted.
    pub at: DateTime<Utc>,
    /// 1-based position in its thread of the log. `None` if it was not to be durable, if nobody knew
    /// it to be so when it was broadcast, or if the sink knows no ordinals.
    pub ordinal: Option<u64>,
    /// What happened.
    pub event: Event,
}

impl Envelope {
    /// An envelope that has no place yet.
    pub(crate) const fn new(event: Event, at: DateTime<Utc>, ordinal: Option<u64>) -> Self {
        Self {
            seq: 0,
            at,
            ordinal,
            event,
        }
    }
}
