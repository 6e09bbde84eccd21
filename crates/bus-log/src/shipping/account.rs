//! What is known of one thread on its way.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::runs::{Runs, portion};
use crate::replicate::Pauses;
use crate::{Bounds, ReplicateError};

const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// One thread.
#[derive(Debug)]
pub(super) struct Account {
    /// The local log has reached this, as far as known.
    pub(super) last: u64,
    /// The remote log has reached this, or is taken to have.
    pub(super) shipped: u64,
    /// It said so once: it is not only taken to have.
    asked: bool,
    /// What it said still holds.
    pub(super) known: bool,
    /// The highest ordinal that it ever said so of.
    pub(super) proved: u64,
    /// How far a thread that was ever erased has been hidden in the remote log too.
    pub(super) erased: u64,
    /// What waits.
    runs: Runs,
    /// Bytes of an append of which nobody knows what became, the largest of them, and the look under way at the
    /// last one.
    doubt: (u64, u64),
    /// How often the remote log had taken something when it last refused this thread, if it has taken nothing of it
    /// since.
    pub(super) refused_at: Option<u64>,
    pub(super) state: State,
    /// Something came while it was under way.
    pub(super) again: bool,
    /// What is known of the remote log's end may be wrong: it has to be asked.
    pub(super) look: bool,
    /// The last ordinal at the last look through the local log.
    pub(super) seen: u64,
    /// Nothing has come since: all that need not be kept may go.
    pub(super) idle: bool,
    /// Why it could not be shipped when that was last tried, if the reason was its own.
    pub(super) trouble: Option<Arc<ReplicateError>>,
    /// It needs somebody to act: it is tried again only when the local log is looked through.
    pub(super) stopped: bool,
    /// What was last told of it.
    told: Told,
    pauses: Option<Pauses>,
}

/// Whose turn it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// Nobody's.
    Resting,
    /// It waits for its turn.
    Queued,
    /// A courier is under way.
    Moving,
    /// It failed, and waits for a while.
    Parked,
}

/// What is to be told of a thread that failed, the gravest last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Told {
    /// Nothing that was not told before.
    Nothing,
    /// It alone can't be shipped, and is tried again after a pause.
    Troubled,
    /// It is stopped.
    Stopped,
}

impl Account {
    /// A thread of which the remote log is taken to have all up to `shipped`.
    pub(super) fn new(last: u64, shipped: u64) -> Self {
        Self {
            last,
            shipped,
            asked: false,
            known: false,
            proved: 0,
            erased: 0,
            runs: Runs::default(),
            doubt: (0, 0),
            refused_at: None,
            state: State::Resting,
            again: false,
            look: true,
            seen: 0,
            idle: false,
            trouble: None,
            stopped: false,
            told: Told::Nothing,
            pauses: None,
        }
    }

    /// Events known to wait.
    pub(super) const fn waiting(&self) -> u64 {
        self.last.saturating_sub(self.shipped)
    }

    /// Whether the remote log was asked, and nothing has happened since that it has to be asked again for.
    pub(super) const fn is_checked(&self) -> bool {
        self.known && !self.look
    }

    /// Since when the oldest of them has.
    pub(super) fn waits_since(&self) -> Option<Instant> {
        self.runs.since()
    }

    /// Bytes of what waits, as far as they are known, and of what may.
    pub(super) const fn bytes(&self) -> u64 {
        self.runs.bytes() + self.doubt.0
    }

    /// Events from `first` to `last` were appended at `now`.
    pub(super) fn appended(&mut self, first: u64, last: u64, bytes: u64, now: Instant) {
        self.idle = false;
        if !self.asked {
            // One that was told before an earlier one.
            self.shipped = self.shipped.min(first - 1);
        }
        self.last = self.last.max(last);
        self.runs.cover(self.shipped, self.last, now, false);
        let waits = first.max(self.shipped + 1);
        if waits <= last {
            let bytes = portion(bytes, last - waits + 1, last - first + 1);
            self.runs.size(waits, last, bytes);
        }
    }

    /// Others have appended up to `last`; that it was not there before is seen at `now`.
    pub(super) fn grew(&mut self, last: u64, now: Instant) {
        self.last = self.last.max(last);
        self.runs.cover(self.shipped, self.last, now, true);
    }

    /// Nobody knows what became of an append, which began before the look of this number ended.
    pub(super) fn in_doubt(&mut self, bytes: u64, look: u64) {
        // Of a batch that is tried again and again one is written at most.
        self.doubt = (self.doubt.0.max(bytes), look);
        self.look = true;
    }

    /// A look of this number found so much in the local log.
    pub(super) fn saw(&mut self, bounds: Bounds, look: u64, now: Instant) {
        let before = self.last;
        self.grew(bounds.last, now);
        let (bytes, during) = self.doubt;
        if look > during {
            self.doubt = (0, 0);
            // What came is what was in doubt, or at least nothing else is known of its size.
            if bytes > 0 && bounds.last > before.max(self.shipped) {
                self.runs.size(before + 1, bounds.last, bytes);
            }
        }
        self.idle = self.seen == bounds.last;
        self.seen = bounds.last;
    }

    /// The remote log has all up to `last`, of which the page that begins at `first` had `bytes`.
    pub(super) fn shipped_to(&mut self, first: u64, last: u64, bytes: u64) {
        self.asked = true;
        self.known = true;
        self.shipped = last;
        self.proved = self.proved.max(last);
        self.last = self.last.max(last);
        self.refused_at = None;
        self.trouble = None;
        self.stopped = false;
        self.told = Told::Nothing;
        self.pauses = None;
        self.runs.shipped_to(first, last, bytes);
        self.runs.cover(last, self.last, Instant::now(), true);
        if self.waiting() == 0 && !self.look {
            self.doubt = (0, 0);
        }
    }

    /// It failed for a reason of its own. Each gravity is told once, until something of it is shipped.
    pub(super) fn fails(&mut self, error: Arc<ReplicateError>, gravity: Told) -> Told {
        self.trouble = Some(error);
        self.stopped = gravity == Told::Stopped;
        if gravity <= self.told {
            return Told::Nothing;
        }
        self.told = gravity;
        gravity
    }

    /// How long to leave it alone after an error of its own.
    pub(super) fn pause(&mut self) -> Duration {
        let pauses = &mut self.pauses;
        pauses
            .get_or_insert_with(|| Pauses::new(FIRST_PAUSE, LONGEST_PAUSE))
            .take()
    }
}
