//! What is known of one thread on its way.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::ReplicateError;
use crate::replicate::Pauses;

/// Times kept of one thread's events; half of them go when there are more.
const MARKS: usize = 64;

/// Events appended within this time share one.
const MARK_EVERY: Duration = Duration::from_millis(100);

const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// One thread.
#[derive(Debug)]
pub(super) struct Account {
    /// The local log has reached this, as far as known.
    pub(super) last: u64,
    /// The remote log has reached this, or is taken to have.
    pub(super) shipped: u64,
    /// The remote log said so.
    pub(super) known: bool,
    /// The highest ordinal that it ever said so of.
    pub(super) proved: u64,
    /// How far a thread that was ever erased has been hidden in the remote log too.
    pub(super) erased: u64,
    /// Bytes appended and not known to be shipped.
    pub(super) bytes: u64,
    /// The first event that they count: what was there before counts nothing.
    counted_from: u64,
    /// How often the remote log had taken something when it last refused this thread, if it has taken nothing of it
    /// since.
    pub(super) refused_at: Option<u64>,
    /// Ordinals, and when they were appended, for one in many.
    marks: VecDeque<(u64, Instant)>,
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
            known: false,
            proved: 0,
            erased: 0,
            bytes: 0,
            counted_from: 0,
            refused_at: None,
            marks: VecDeque::new(),
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
        let first = self.marks.front().map(|(_, at)| *at);
        first.filter(|_| self.waiting() > 0)
    }

    /// Events from `first` to `last` were appended at `now`.
    pub(super) fn appended(&mut self, first: u64, last: u64, bytes: u64, now: Instant) {
        self.idle = false;
        if last > self.shipped {
            if self.bytes == 0 {
                self.counted_from = first;
            }
            self.bytes += bytes;
            let is_new = |(_, at): &(u64, Instant)| now.duration_since(*at) >= MARK_EVERY;
            if self.marks.back().is_none_or(is_new) {
                self.mark(first, now);
            }
        }
        self.last = self.last.max(last);
    }

    /// Others have appended up to `last`; that it was not there before is seen at `now`.
    pub(super) fn grew(&mut self, last: u64, now: Instant) {
        if last > self.last {
            if self.marks.is_empty() {
                self.mark(self.last + 1, now);
            }
            self.last = last;
        }
    }

    fn mark(&mut self, first: u64, now: Instant) {
        if self.marks.len() >= MARKS {
            // The later of two goes: what it stood for counts as older, never as younger.
            let mut keep = false;
            self.marks.retain(|_| {
                keep = !keep;
                keep
            });
        }
        self.marks.push_back((first, now));
    }

    /// The remote log has all up to `last`, of which a page had `bytes`.
    pub(super) fn shipped_to(&mut self, last: u64, bytes: u64) {
        self.known = true;
        self.shipped = last;
        self.proved = self.proved.max(last);
        self.last = self.last.max(last);
        if last >= self.counted_from {
            self.bytes = self.bytes.saturating_sub(bytes);
        }
        self.refused_at = None;
        self.trouble = None;
        self.stopped = false;
        self.told = Told::Nothing;
        self.pauses = None;
        while let Some((next, _)) = self.marks.get(1)
            && *next <= last + 1
        {
            self.marks.pop_front();
        }
        if self.waiting() == 0 {
            self.bytes = 0;
            self.marks = VecDeque::new();
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

#[cfg(test)]
mod tests;
