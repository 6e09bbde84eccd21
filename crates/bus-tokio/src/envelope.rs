//! [`Envelope`]: an event on the bus, with its sequence number and, if durable, its ordinal.

use std::sync::Arc;

use bus_core::{DateTime, Event, Meta, ThreadKey, Utc};
use bus_log::LogSink;

/// An event on the bus, with its place there and in the log.
///
/// One allocation per event, shared by all subscribers: see
/// [`subscribe_envelopes`](crate::SessionBus::subscribe_envelopes).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Envelope {
    /// 1-based position on this bus, over durable and ephemeral events alike, without gaps. It is
    /// counted anew by every bus, and by every [`RemoteSession`](crate::RemoteSession), which counts what it heard, losses
    /// too, and so has gaps: to find an event again, use the ordinal.
    pub seq: u64,
    /// When it was emitted, or when it happened, if the emitter said so.
    pub at: DateTime<Utc>,
    /// 1-based position in its thread of the log. `None` if it was not to be durable, if nobody knew
    /// it to be so when it was broadcast, or if the sink knows no ordinals.
    pub ordinal: Option<u64>,
    /// What happened.
    pub event: Event,
    /// Metadata: id, source, run; empty unless the emitter said so, as by
    /// [`emit_entry`](crate::SessionBus::emit_entry).
    pub meta: Meta,
    /// Whose ordinal it is.
    pub(crate) origin: Origin,
    /// What followers need to know of the envelopes before it.
    pub(crate) tally: Tally,
    /// The session, on the bus of a hub.
    pub(crate) thread: Option<Arc<ThreadKey>>,
}

/// What the ring had shown, up to and including one envelope.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    /// How many envelopes are not known to be in the thread that is followed.
    pub(crate) unrecorded: u64,
    /// The highest ordinal of that thread; 0 if there was none.
    pub(crate) last: u64,
}

/// One thread of one log: tells its ordinals from those of others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Origin(u64);

impl Origin {
    /// No thread of a log, as far as known.
    pub(crate) const UNKNOWN: Self = Self(0);

    pub(crate) fn of(sink: &LogSink) -> Self {
        Self(sink.thread_number())
    }

    /// Of what stands on a ring only for its tally, and is shown to nobody.
    pub(crate) const MARK: Self = Self(u64::MAX);

    #[cfg(all(test, loom))]
    pub(crate) const fn of_model() -> Self {
        Self(1)
    }

    /// Whether both are known, and the same.
    pub(crate) fn is_same(self, other: Self) -> bool {
        self == other && self != Self::UNKNOWN
    }
}

impl Envelope {
    /// Whether it is no event, but says how many were missed.
    pub(crate) fn is_mark(&self) -> bool {
        self.origin == Origin::MARK
    }

    /// Its ordinal in the thread of `origin`, if it is known to be there.
    pub(crate) fn ordinal_of(&self, origin: Origin) -> Option<u64> {
        self.ordinal.filter(|_| self.origin.is_same(origin))
    }
}

/// By what it says; which bus it came from does not count.
impl PartialEq for Envelope {
    fn eq(&self, other: &Self) -> bool {
        let place = |e: &Self| (e.seq, e.at, e.ordinal);
        place(self) == place(other) && self.event == other.event && self.meta == other.meta
    }
}
