//! Which records of a fork were copied from its parent.

use chrono::{DateTime, TimeDelta, Utc};

/// A fork's file begins with the parent's records, all stamped within milliseconds of its creation.
///
/// It is known for a fork by a second `session_meta` with another id within the first second. From
/// there on all records stamped within that second are copied, up to the first that is not.
#[derive(Debug, Default)]
pub(super) struct Fork {
    until: Option<DateTime<Utc>>,
    copied: bool,
}

impl Fork {
    /// The session's own header.
    pub(super) fn first(&mut self, at: DateTime<Utc>) {
        self.until = at.checked_add_signed(TimeDelta::seconds(1));
    }

    /// A header with another id; true if it makes the file a fork.
    pub(super) fn second(&mut self, at: DateTime<Utc>) -> bool {
        let news = !self.copied && self.is_early(at);
        self.copied |= news;
        news
    }

    /// True if a record of that time is the parent's.
    pub(super) fn is_copied(&mut self, at: DateTime<Utc>) -> bool {
        self.is_early(at) && self.copied
    }

    fn is_early(&mut self, at: DateTime<Utc>) -> bool {
        if self.until.is_some_and(|until| at >= until) {
            self.until = None;
        }
        self.until.is_some()
    }
}
