//! What goes into a log, and what comes out.

use bus_core::{Event, Meta};
use chrono::{DateTime, Utc};

/// An event on its way into a log.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// When it happened. Kept to the microsecond; what is finer is cut off.
    pub at: DateTime<Utc>,
    /// What is known besides.
    pub meta: Meta,
    /// What happened.
    pub event: Event,
}

/// An event in a log.
#[derive(Clone, Debug, PartialEq)]
pub struct Recorded {
    /// Its 1-based position in its thread.
    pub ordinal: u64,
    /// When it happened, to the microsecond.
    pub at: DateTime<Utc>,
    /// What is known besides.
    pub meta: Meta,
    /// What happened.
    pub event: Event,
}

impl<E: Into<Event>> From<E> for Entry {
    /// An event that happens now, with nothing known besides.
    fn from(event: E) -> Self {
        Self {
            at: to_micros(Utc::now()),
            meta: Meta::default(),
            event: event.into(),
        }
    }
}

impl From<Recorded> for Entry {
    /// The event as it went in, to be appended elsewhere.
    fn from(recorded: Recorded) -> Self {
        Self {
            at: recorded.at,
            meta: recorded.meta,
            event: recorded.event,
        }
    }
}

/// The time that a log keeps of `at`: the same, cut off to the microsecond.
#[must_use]
pub fn to_micros(at: DateTime<Utc>) -> DateTime<Utc> {
    DateTime::from_timestamp_micros(at.timestamp_micros()).unwrap_or(at)
}
