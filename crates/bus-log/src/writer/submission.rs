//! An event before a sink has taken it.

use std::time::{Duration, Instant};

use super::queue::weigh;
use super::tag::Until;
use crate::{Entry, to_micros};

/// An entry on its way to a [`LogSink`](crate::LogSink), which
/// [`begin`](crate::LogSink::begin) made: with what it weighs, and until when it may be written.
// For a bus over this log: it is no part of what users are promised.
#[doc(hidden)]
#[derive(Debug)]
pub struct Submission {
    pub(super) entry: Entry,
    pub(super) weight: usize,
    pub(super) until: Until,
}

impl Submission {
    pub(super) fn new(entry: Entry, retry_for: Duration) -> Self {
        let until = Until::of(Instant::now(), retry_for);
        let entry = Entry {
            at: to_micros(entry.at),
            event: entry.event.without_messages(),
            ..entry
        };
        Self {
            weight: weigh(&entry),
            entry,
            until,
        }
    }

    /// When the sink gives it up: [`retry_for`](crate::LogWriterConfig::retry_for) after it was begun.
    #[must_use]
    pub const fn deadline(&self) -> Instant {
        self.until.deadline
    }

    /// What it takes of [`sink_bytes`](crate::LogWriterConfig::sink_bytes).
    #[must_use]
    pub const fn weight(&self) -> usize {
        self.weight
    }
}
