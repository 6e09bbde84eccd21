//! What stands in line.

use std::sync::Arc;

use bus_core::{DateTime, Event, Utc};

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
        legacy: Option<Arc<Legacy>>,
        to: Addressee,
    },
    /// Somebody wants to know when all before it are through.
    Flush(Teller),
    /// Subscribers have seen everything once this is first.
    Close,
}

/// Who wants to hear what became of an event.
pub(crate) enum Addressee {
    /// An emitter, who waits, or at least did at first.
    Emitter(Teller),
    /// Nobody: an audit record.
    Nobody,
}
