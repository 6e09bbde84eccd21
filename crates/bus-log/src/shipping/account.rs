//! What is known of one thread on its way.

use std::ops::RangeInclusive;
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
    /// The highest ordinal that it said so of, and has not taken back since.
    pub(super) proved: u64,
    /// The first ordinal that it ever had, whatever became of it since; 0 if it is not known to have had any.
    pub(super) had: u64,
    /// `proved` when a check of the remote log began; 0 once that has named it.
    pub(super) must_have: u64,
    /// The highest ordinal that was compared or moved since this log was opened: what is before it is the same in both.
    compared: u64,
    /// Up to there nobody could compare them.
    pub(super) uncompared: u64,
    /// Where both logs were found to differ, if nothing was compared or moved since.
    pub(super) differed: Option<u64>,
    /// The remote log was found ahead of the local one, and nothing was compared or moved since.
    pub(super) was_ahead: bool,
    /// How far a thread that was ever erased has been hidden in the remote log too.
    pub(super) erased: u64,
    /// What waits.
    runs: Runs,
    /// Of which appends nobody knows what became.
    doubt: Option<Doubt>,
    /// What the remote log had served when it last refused this thread, if it has taken nothing of it since.
    refused_at: Option<Served>,
    /// Events that are taken to wait as the local log has not given them back.
    assumed: u64,
    pub(super) state: State,
    /// Looks that had begun when its courier set out.
    pub(super) set_out: u64,
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

/// Appends of which nobody knows what became.
#[derive(Debug)]
struct Doubt {
    /// Bytes of the largest.
    bytes: u64,
    /// Looks that had begun at the last one.
    look: u64,
}

/// What the remote log has served of all threads.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Served {
    /// How often it has answered.
    pub(super) answers: u64,
    /// How often it has taken a page.
    pub(super) pages: u64,
}

/// What becomes of a thread whose courier failed.
pub(super) enum Failure {
    /// The remote log did not serve it, nor anybody since: it may be away.
    Refused(Told),
    /// It alone failed, and is left alone for so long.
    Parked(Duration, Told),
    Stopped(Told),
}

/// What waits of one thread, or of all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counted {
    /// Bytes of what waits, as far as they are known, and of what may.
    pub(super) bytes: u64,
    /// The same of what is stopped.
    pub(super) stopped: u64,
    /// Events that wait and are of unknown size.
    pub(super) found: u64,
    /// Events that are taken to wait.
    pub(super) assumed: u64,
}

impl Counted {
    /// One thread counted for `before`, and counts for `after`.
    pub(super) const fn change(&mut self, before: Self, after: Self) {
        self.bytes = self.bytes.saturating_sub(before.bytes) + after.bytes;
        self.stopped = self.stopped.saturating_sub(before.stopped) + after.stopped;
        self.found = self.found.saturating_sub(before.found) + after.found;
        self.assumed = self.assumed.saturating_sub(before.assumed) + after.assumed;
    }
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
            had: 0,
            must_have: 0,
            compared: 0,
            uncompared: 0,
            differed: None,
            was_ahead: false,
            erased: 0,
            runs: Runs::default(),
            doubt: None,
            assumed: 0,
            refused_at: None,
            state: State::Resting,
            set_out: 0,
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

    /// What it counts for.
    pub(super) const fn counted(&self) -> Counted {
        let doubt = match &self.doubt {
            Some(doubt) => doubt.bytes,
            None => 0,
        };
        let bytes = self.runs.bytes() + doubt;
        let (waiting, stopped) = if self.stopped { (0, bytes) } else { (bytes, 0) };
        Counted {
            bytes: waiting,
            stopped,
            found: if self.stopped {
                0
            } else {
                self.runs.unsized_events()
            },
            assumed: if self.stopped { 0 } else { self.assumed },
        }
    }

    /// Events from `first` to `last` were appended at `now`.
    pub(super) fn appended(&mut self, first: u64, last: u64, bytes: u64, now: Instant) {
        self.idle = false;
        if !self.asked {
            // One that was told before an earlier one.
            self.shipped = self.shipped.min(first - 1);
        }
        // What is between is somebody else's, or of an append that is told later.
        self.grew(first - 1, now);
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
        let before = self.doubt.take().map_or(0, |doubt| doubt.bytes);
        self.doubt = Some(Doubt {
            bytes: before.max(bytes),
            look,
        });
        self.look = true;
    }

    /// A look of this number found so much in the local log, which gives back all but so many shipped events.
    pub(super) fn saw(&mut self, bounds: Bounds, keep: Option<u64>, look: u64, now: Instant) {
        self.grew(bounds.last, now);
        // Whatever came of it is found now, and counts as that.
        self.doubt.take_if(|doubt| look > doubt.look);
        self.assumed = match keep {
            // Of what was ever erased nothing is given back.
            Some(keep) if !self.asked && !bounds.erased => {
                let more = bounds.readable().saturating_sub(keep);
                more.saturating_sub(self.waiting())
            }
            _ => 0,
        };
        self.idle = self.seen == bounds.last;
        self.seen = bounds.last;
    }

    /// A courier found that the remote log has all up to `shipped`, and the local one all up to `last`. It may not
    /// come to ship it.
    pub(super) fn found(&mut self, shipped: u64, last: u64, now: Instant) {
        self.asked = true;
        self.assumed = 0;
        self.shipped = shipped;
        self.last = self.last.max(last);
        self.runs.shipped_to(shipped);
        self.runs.cover(shipped, self.last, now, true);
    }

    /// The remote log says how far it reaches. Which ordinals it had said to have and has no longer, if there are any.
    pub(super) fn reaches(&mut self, bounds: Bounds) -> Option<RangeInclusive<u64>> {
        let last = bounds.last;
        if last > 0 {
            self.has_from(bounds.watermark + 1);
        }
        let proved = self.proved;
        self.proved = proved.min(last);
        (last < proved).then(|| last + 1..=proved)
    }

    /// The remote log has an ordinal, and may have had none before it.
    const fn has_from(&mut self, ordinal: u64) {
        if self.had == 0 || ordinal < self.had {
            self.had = ordinal;
        }
    }

    /// Both logs have the same up to an ordinal.
    pub(super) fn compared(&mut self, ordinal: u64) {
        self.compared = self.compared.max(ordinal);
        self.was_ahead = false;
        self.differed = None;
    }

    /// Nobody can say whether both logs have the same up to an ordinal.
    pub(super) fn uncompared(&mut self, ordinal: u64) {
        if ordinal > self.compared {
            self.uncompared = self.uncompared.max(ordinal);
        }
    }

    /// An event that was found says since when it waits.
    pub(super) fn date(&mut self, ordinal: u64, since: Instant) {
        self.runs.date(ordinal, since);
    }

    /// The remote log has taken a page of so many bytes.
    pub(super) fn moved(&mut self, first: u64, last: u64, bytes: u64) {
        self.runs.shipped(first, last, bytes);
        self.shipped_to(last);
        self.has_from(first);
        self.proved = self.proved.max(last);
        self.compared(last);
    }

    /// The remote log has all up to `last`.
    pub(super) fn shipped_to(&mut self, last: u64) {
        self.found(last, last, Instant::now());
        self.known = true;
        self.was_ahead = false;
        self.differed = None;
        self.refused_at = None;
        self.trouble = None;
        self.stopped = false;
        self.told = Told::Nothing;
        self.pauses = None;
        if self.waiting() == 0 && !self.look {
            self.doubt = None;
        }
    }

    /// Its courier failed, when the remote log had served so much and the look of that number had come to its end.
    pub(super) fn failed(
        &mut self,
        error: &Arc<ReplicateError>,
        served: Served,
        looked: u64,
    ) -> Failure {
        // Something has happened since it set out, or may have: what it found may be no longer true.
        let has_to_look = std::mem::replace(&mut self.look, true) || self.set_out < looked;
        let is_target = matches!(**error, ReplicateError::Target { .. });
        self.was_ahead |= matches!(**error, ReplicateError::Ahead { .. });
        if let ReplicateError::Differs { ordinal, .. } = **error {
            self.differed = Some(ordinal);
        }
        if error.is_outage() && is_target {
            // Others were served since it was last refused: it is refused alone, and must not stop them.
            let before = self.refused_at.replace(served);
            if before.is_none_or(|before| before.answers >= served.answers) {
                self.state = State::Queued;
                return Failure::Refused(Told::Nothing);
            }
        } else if error.is_refusal() && !self.stopped {
            // A log that takes nothing of anybody is as good as away, whatever it says: what waits has to count.
            let before = self.refused_at.replace(served);
            if before.is_none_or(|before| before.pages >= served.pages) {
                self.state = State::Queued;
                return Failure::Refused(self.fails(error, Told::Troubled));
            }
        } else if error.is_answer() {
            self.refused_at = None;
        }
        if error.is_transient() || error.is_outage() {
            self.state = State::Parked;
            // Of a local log that is away whoever appends to it hears.
            let is_local = error.is_outage() && !is_target;
            let gravity = if is_local {
                Told::Nothing
            } else {
                Told::Troubled
            };
            let told = self.fails(error, gravity);
            return Failure::Parked(self.pause(), told);
        }
        self.look = has_to_look;
        self.again = false;
        self.known = false;
        Failure::Stopped(self.fails(error, Told::Stopped))
    }

    /// It failed for a reason of its own. Each gravity is told once, until something of it is shipped.
    fn fails(&mut self, error: &Arc<ReplicateError>, gravity: Told) -> Told {
        self.trouble = Some(Arc::clone(error));
        self.stopped = gravity == Told::Stopped;
        if gravity <= self.told {
            return Told::Nothing;
        }
        self.told = gravity;
        gravity
    }

    /// How long to leave it alone after an error of its own.
    fn pause(&mut self) -> Duration {
        let pauses = &mut self.pauses;
        pauses
            .get_or_insert_with(|| Pauses::new(FIRST_PAUSE, LONGEST_PAUSE))
            .take()
    }
}
