//! What the ring counts for those who follow it together with a log.

use std::sync::{Arc, Weak};

use crate::envelope::{Origin, Tally};

/// The thread of a log that followers of this ring follow: one at a time. While there are none, the one whose
/// ordinals come.
#[derive(Default)]
pub(super) struct Census {
    home: Origin,
    /// Held by its followers.
    followed: Weak<()>,
    tally: Tally,
}

/// What a follower begins with.
pub(crate) struct Start {
    pub(crate) tally: Tally,
    /// What was broadcast before may be in the log above `tally.last`.
    pub(crate) is_first: bool,
    /// Nothing that was broadcast before is known to be in the log above `tally.last`.
    pub(crate) knows_last: bool,
    /// To be held for as long as it follows.
    pub(crate) following: Arc<()>,
}

impl Census {
    /// Counts an envelope, and says what there was up to it.
    pub(super) fn count(&mut self, ordinal: Option<u64>, origin: Origin) -> Tally {
        if ordinal.is_some() && origin != self.home && self.followed.strong_count() == 0 {
            // Most likely the one to be followed.
            self.home = origin;
            self.tally.last = 0;
        }
        match ordinal.filter(|_| origin.is_same(self.home)) {
            Some(ordinal) => self.tally.last = self.tally.last.max(ordinal),
            None => self.tally.unrecorded += 1,
        }
        self.tally
    }

    /// Takes over what was counted of other buses.
    pub(super) const fn heard(&mut self, tally: Tally) {
        self.tally = tally;
    }

    /// `None` if another thread is followed.
    pub(super) fn follow(&mut self, origin: Origin) -> Option<Start> {
        let followed = self.followed.upgrade();
        if followed.is_some() && self.home != origin {
            return None;
        }
        let is_first = followed.is_none();
        let knows_last = self.home == origin || self.home == Origin::UNKNOWN;
        if !knows_last {
            self.tally.last = 0;
        }
        self.home = origin;
        let following = followed.unwrap_or_default();
        self.followed = Arc::downgrade(&following);
        Some(Start {
            tally: self.tally,
            is_first,
            knows_last,
            following,
        })
    }
}
