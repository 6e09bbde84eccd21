//! What stands in line.

use std::io;
use std::sync::Arc;

use bus_core::{DateTime, Event, TicketOutcome, Utc};

use crate::envelope::Origin;
use crate::legacy::Legacy;
use crate::sinks::Sinks;
use crate::wait::Teller;

/// Something on its way into the line.
pub(crate) struct Parcel {
    /// Who takes it; nobody, if it only wants a place.
    pub(crate) sinks: Option<Arc<Sinks>>,
    pub(crate) cargo: Cargo,
}

/// Something in line.
pub(crate) enum Cargo {
    Event {
        event: Event,
        at: DateTime<Utc>,
        /// Whose ordinal it gets.
        origin: Origin,
        legacy: Option<Arc<Legacy>>,
        to: Addressee,
    },
    /// So many audit records were lost here, on their way to a log: too many waited before them.
    Lost(u64),
    /// Somebody wants to know when all before it are through. In a hurry, audit records before it
    /// are not waited for but seen early.
    Flush { to: Teller, hurry: bool },
    /// Somebody wants to know when the sinks have taken all before it.
    HandedIn(Teller),
    /// Subscribers have seen everything once this is first. Always in a hurry.
    Close,
}

impl Parcel {
    /// Whether its sink may take its time for it, though it is nothing that has none.
    pub(super) fn may_block(&self) -> bool {
        let blocks = self.sinks.as_ref().is_some_and(|sinks| sinks.blocks());
        blocks
            && matches!(
                &self.cargo,
                Cargo::Event {
                    to: Addressee::Emitter(_),
                    ..
                }
            )
    }
}

impl Cargo {
    /// How a mark, which no sink takes, ends: one in a hurry as an event does that was given up.
    pub(super) fn outcome_of_mark(&self) -> TicketOutcome {
        match self {
            Self::Close | Self::Flush { hurry: true, .. } => {
                Err(io::Error::other("waits for no audit records"))
            }
            Self::Flush { .. } | Self::HandedIn(_) | Self::Event { .. } | Self::Lost(_) => Ok(None),
        }
    }

    /// Whether somebody waits for what became of it.
    pub(super) fn is_awaited(&self) -> bool {
        self.seen_early().is_none()
    }

    /// How an event ends that nobody waits for, if one behind it can't wait any longer.
    pub(super) const fn seen_early(&self) -> Option<TicketOutcome> {
        match self {
            Self::Event {
                to: Addressee::Books,
                ..
            } => Some(Ok(None)),
            _ => None,
        }
    }
}

/// Who wants to hear what became of an event.
pub(crate) enum Addressee {
    /// An emitter, who waits, or at least did at first.
    Emitter(Teller),
    /// Nobody: an audit record.
    Nobody,
    /// The books of the log's audit face, which retries for as long as it takes, and keeps count.
    Books,
}
