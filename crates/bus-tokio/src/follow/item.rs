//! What a follower is given.

use std::fmt;
use std::sync::Arc;

use bus_core::{DateTime, Event, Meta, Utc};
use bus_log::{Recorded, to_micros};

use crate::Envelope;

/// What [`Follow`](crate::Follow) gives: each is one thing that happened, or the number of those
/// that can't be given any more.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Followed {
    /// An event of the log: all of them come, in the log's order, each once.
    Recorded(FollowedEvent),
    /// What is seen live only: an ephemeral event; or one that was to be durable and was not known to
    /// be so when it was broadcast, as when a log is down. If the log has that one after all, it
    /// comes again, as recorded.
    Live(Arc<Envelope>),
    /// So many envelopes were broadcast here, of the kind that is seen live only, and are gone:
    /// whoever follows was too slow for the bus's capacity. The log has lost nothing by it.
    #[non_exhaustive]
    Gap {
        /// How many, exactly; never 0.
        missed: u64,
    },
}

/// An event of the log with its ordinal, whether it came live or was read.
#[derive(Clone)]
pub struct FollowedEvent {
    ordinal: u64,
    source: Source,
}

#[derive(Clone)]
enum Source {
    Live(Arc<Envelope>),
    Log(Arc<Recorded>),
}

impl Followed {
    /// The event; `None` for a gap.
    #[must_use]
    pub fn event(&self) -> Option<&Event> {
        match self {
            Self::Recorded(event) => Some(event.event()),
            Self::Live(envelope) => Some(&envelope.event),
            Self::Gap { .. } => None,
        }
    }

    /// The ordinal of what is recorded.
    #[must_use]
    pub const fn ordinal(&self) -> Option<u64> {
        match self {
            Self::Recorded(event) => Some(event.ordinal),
            Self::Live(_) | Self::Gap { .. } => None,
        }
    }
}

impl FollowedEvent {
    pub(super) const fn live(ordinal: u64, envelope: Arc<Envelope>) -> Self {
        let source = Source::Live(envelope);
        Self { ordinal, source }
    }

    pub(super) fn read(recorded: Arc<Recorded>) -> Self {
        Self {
            ordinal: recorded.ordinal,
            source: Source::Log(recorded),
        }
    }

    /// Its place in the log: the cursor after which to go on.
    #[must_use]
    pub const fn ordinal(&self) -> u64 {
        self.ordinal
    }

    /// What happened. Two things that came live may differ from what a reader of the log gets: a
    /// [`SessionSync`](bus_core::SessionEvent::SessionSync) has its messages, which the log leaves out; and an event of
    /// a type of ours that was emitted as a [custom](bus_core::CustomEvent) one is still that, where a reader gets it typed.
    #[must_use]
    pub fn event(&self) -> &Event {
        match &self.source {
            Source::Live(envelope) => &envelope.event,
            Source::Log(recorded) => &recorded.event,
        }
    }

    /// When it happened, to the microsecond, as the log has it.
    #[must_use]
    pub fn at(&self) -> DateTime<Utc> {
        match &self.source {
            Source::Live(envelope) => to_micros(envelope.at),
            Source::Log(recorded) => recorded.at,
        }
    }

    /// Metadata: id, source, run, as its emitter said.
    #[must_use]
    pub fn meta(&self) -> &Meta {
        match &self.source {
            Source::Live(envelope) => &envelope.meta,
            Source::Log(recorded) => &recorded.meta,
        }
    }

    /// The event as a reader of the log gets it; a copy, if others have it too.
    #[must_use]
    pub fn into_recorded(self) -> Recorded {
        let (ordinal, at, meta) = (self.ordinal, self.at(), self.meta().clone());
        let event = match self.source {
            Source::Log(recorded) => return Arc::unwrap_or_clone(recorded),
            Source::Live(envelope) => match Arc::try_unwrap(envelope) {
                Ok(envelope) => envelope.event,
                Err(shared) => shared.event.clone(),
            },
        };
        Recorded {
            ordinal,
            at,
            meta,
            event: as_read(event.without_messages()),
        }
    }
}

/// An event as a reader gets it: one of a type of ours that was written as custom is typed.
fn as_read(event: Event) -> Event {
    match event {
        Event::Custom(custom) => {
            Event::parse(custom.as_json().as_str()).unwrap_or(Event::Custom(custom))
        }
        typed => typed,
    }
}

/// By what it says, wherever it came from.
impl PartialEq for FollowedEvent {
    fn eq(&self, other: &Self) -> bool {
        let place = |e: &Self| (e.ordinal, e.at());
        place(self) == place(other) && self.meta() == other.meta() && self.event() == other.event()
    }
}

impl fmt::Debug for FollowedEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FollowedEvent")
            .field("ordinal", &self.ordinal)
            .field("at", &self.at())
            .field("event", self.event())
            .finish_non_exhaustive()
    }
}
