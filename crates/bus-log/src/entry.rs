//! What goes into a log, and what comes out.

use bus_core::{Event, Meta};
use chrono::{DateTime, Utc};

/// An event on its way into a log.
///
/// ```
/// use bus_log::{DateTime, Entry, Meta, SessionEvent};
///
/// let at = DateTime::from_timestamp(1_700_000_000, 0).expect("a time that there is");
/// let meta = Meta::default().with("id", "e-1")?;
/// let entry = Entry::new(SessionEvent::Done).with_at(at).with_meta(meta.clone());
/// let event = SessionEvent::Done.into();
/// assert_eq!(entry, Entry { at, meta, event });
/// # Ok::<(), bus_log::JsonError>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// When it happened. Kept to the microsecond; what is finer is cut off.
    pub at: DateTime<Utc>,
    /// Metadata: id, source, run.
    pub meta: Meta,
    /// What happened.
    pub event: Event,
}

impl Entry {
    /// An event that happens now, with nothing known besides.
    pub fn new(event: impl Into<Event>) -> Self {
        Self {
            at: to_micros(Utc::now()),
            meta: Meta::default(),
            event: event.into(),
        }
    }

    /// Sets the time at which it happened.
    #[must_use]
    pub const fn with_at(mut self, at: DateTime<Utc>) -> Self {
        self.at = at;
        self
    }

    /// Sets the metadata.
    #[must_use]
    pub fn with_meta(mut self, meta: Meta) -> Self {
        self.meta = meta;
        self
    }
}

/// An event in a log.
#[derive(Clone, Debug, PartialEq)]
pub struct Recorded {
    /// Its 1-based position in its thread.
    pub ordinal: u64,
    /// When it happened, to the microsecond.
    pub at: DateTime<Utc>,
    /// Metadata: id, source, run.
    pub meta: Meta,
    /// What happened.
    pub event: Event,
}

impl<E: Into<Event>> From<E> for Entry {
    /// An event that happens now, with nothing known besides.
    fn from(event: E) -> Self {
        Self::new(event)
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
