//! What an emitter is told.

use std::io;

use bus_core::TicketOutcome;

use crate::delivered::Delivered;
use crate::warn::warn_not_durable;

/// An event was emitted as it should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Receipt {
    /// Its place on the bus: see [`Envelope::seq`](crate::Envelope::seq).
    pub seq: u64,
    /// True if the durable sink has it. False if it was not to be durable, or there is no sink.
    pub durable: bool,
    /// Its place in the log, if it is durable and the sink knows ordinals.
    pub ordinal: Option<u64>,
}

/// An event was to be durable and may not be. It is broadcast too, except where a sink's panic lost it.
///
/// The source is what the sink said. After it the event may be in the log or not.
#[derive(Debug, thiserror::Error)]
#[error("event may not be durable{}", Place(*.seq))]
pub struct EmitError {
    seq: Option<u64>,
    source: io::Error,
}

struct Place(Option<u64>);

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            Some(seq) => write!(f, ": seq {seq}"),
            None => Ok(()),
        }
    }
}

impl Receipt {
    pub(crate) const fn live(seq: u64) -> Self {
        Self {
            seq,
            durable: false,
            ordinal: None,
        }
    }
}

impl EmitError {
    pub(crate) const fn new(seq: Option<u64>, source: io::Error) -> Self {
        Self { seq, source }
    }

    /// The place on the bus at which the event was broadcast. `None` if it has not been yet, for
    /// a call from within a delivery, which can't wait for its own; or if a panic of the sink's own lost it on its way.
    #[must_use]
    pub const fn seq(&self) -> Option<u64> {
        self.seq
    }

    /// What kind of failure it was: the sink's own kind;
    /// [`Unsupported`](io::ErrorKind::Unsupported) for an audit or custom event that the sink can't
    /// take; [`Deadlock`](io::ErrorKind::Deadlock) for a call that would have waited for itself.
    #[must_use]
    pub fn kind(&self) -> io::ErrorKind {
        self.source.kind()
    }

    /// What the sink said.
    #[must_use]
    pub fn into_source(self) -> io::Error {
        self.source
    }
}

/// The emitter's result of a delivery, which it hears of with the warning that a failure is worth.
pub(crate) fn told(delivered: Delivered) -> Result<Receipt, EmitError> {
    let Delivered { seq, outcome } = delivered;
    match outcome {
        Ok(ordinal) => Ok(Receipt {
            seq,
            durable: true,
            ordinal,
        }),
        Err(error) => {
            warn_not_durable(seq, &error);
            Err(EmitError::new((seq > 0).then_some(seq), error))
        }
    }
}

/// A refusal to wait for oneself.
pub(crate) fn would_deadlock(why: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::Deadlock, why)
}

/// The ordinal that subscribers see.
pub(crate) fn ordinal_of(outcome: &TicketOutcome) -> Option<u64> {
    outcome.as_ref().ok().copied().flatten()
}
