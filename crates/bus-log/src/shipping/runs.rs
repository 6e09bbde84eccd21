//! The events of a thread that wait: how many bytes, and since when.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Runs kept of one thread; half of them go when there are more.
const MOST: usize = 64;

/// Events appended within this time share one.
const NEAR: Duration = Duration::from_millis(100);

/// What waits, oldest first and without a hole.
#[derive(Debug, Default)]
pub(super) struct Runs {
    runs: VecDeque<Run>,
    /// Bytes of those whose size is known.
    bytes: u64,
    /// How many are of unknown size.
    unsized_events: u64,
}

/// Some events that came at about the same time.
#[derive(Debug)]
struct Run {
    first: u64,
    last: u64,
    since: Instant,
    /// When they came is not known: they were found.
    is_found: bool,
    bytes: u64,
    unsized_events: u64,
}

impl Runs {
    pub(super) const fn bytes(&self) -> u64 {
        self.bytes
    }

    pub(super) const fn unsized_events(&self) -> u64 {
        self.unsized_events
    }

    /// Since when the oldest waits.
    pub(super) fn since(&self) -> Option<Instant> {
        self.runs.front().map(|run| run.since)
    }

    /// Events after `shipped` and up to `last` wait; of those that were not there before nothing is known but that
    /// they wait since `since`, or that they were found then.
    pub(super) fn cover(&mut self, shipped: u64, last: u64, since: Instant, is_found: bool) {
        let first = shipped + 1;
        if last < first {
            return;
        }
        let (front, back) = match (self.runs.front(), self.runs.back()) {
            (Some(front), Some(back)) => (front.first, back.last),
            _ => (last + 1, last),
        };
        if front > first {
            self.runs.push_front(Run::found(first, front - 1, since));
            self.unsized_events += front - first;
            if let Some(run) = self.runs.front_mut() {
                run.is_found = is_found || front <= last;
            }
        }
        if back < last {
            self.unsized_events += last - back;
            let near = |run: &&mut Run| {
                !run.is_found && !is_found && since.saturating_duration_since(run.since) < NEAR
            };
            match self.runs.back_mut().filter(near) {
                Some(run) => {
                    run.last = last;
                    run.unsized_events += last - back;
                }
                None => {
                    let mut run = Run::found(back + 1, last, since);
                    run.is_found = is_found;
                    self.runs.push_back(run);
                }
            }
        }
        if self.runs.len() > MOST {
            self.thin();
        }
    }

    /// Events from `first` to `last`, which are covered, have so many bytes in all.
    pub(super) fn size(&mut self, first: u64, last: u64, bytes: u64) {
        self.part_at(first);
        self.part_at(last + 1);
        let (mut left, mut events) = (bytes, last - first + 1);
        for run in &mut self.runs {
            let (from, to) = (run.first.max(first), run.last.min(last));
            if from > to {
                continue;
            }
            let count = to - from + 1;
            let bytes = portion(left, count, events);
            (left, events) = (left - bytes, events - count);
            let sized = run.unsized_events.min(count);
            run.unsized_events -= sized;
            run.bytes += bytes;
            self.unsized_events -= sized;
            self.bytes += bytes;
        }
    }

    /// Makes a run begin there if it is in one of which nothing is known.
    fn part_at(&mut self, ordinal: u64) {
        let at = self.runs.partition_point(|run| run.last < ordinal);
        let Some(run) = self.runs.get_mut(at) else {
            return;
        };
        let events = run.last - run.first + 1;
        if run.first >= ordinal || run.unsized_events < events {
            return;
        }
        let mut rest = Run::found(ordinal, run.last, run.since);
        rest.is_found = run.is_found;
        run.last = ordinal - 1;
        run.unsized_events -= rest.unsized_events;
        self.runs.insert(at + 1, rest);
    }

    /// Event `first` has waited since then, as it turns out, if it is the oldest and was found.
    pub(super) fn date(&mut self, first: u64, since: Instant) {
        if let Some(run) = self.runs.front_mut()
            && run.first == first
            && run.is_found
        {
            run.since = since;
        }
    }

    /// The page from `first` to `last`, of so many bytes, is shipped, and all before it.
    pub(super) fn shipped(&mut self, first: u64, last: u64, bytes: u64) {
        let Some(front) = self.runs.front().map(|run| run.first.max(first)) else {
            return;
        };
        let waited = (last + 1).saturating_sub(front);
        let bytes = portion(bytes, waited, (last + 1).saturating_sub(first));
        self.skip(last, Some(bytes));
    }

    /// All up to `last` is shipped.
    pub(super) fn shipped_to(&mut self, last: u64) {
        self.skip(last, None);
    }

    /// Nothing waits up to `last`, which is so many bytes where that is known.
    fn skip(&mut self, last: u64, mut bytes: Option<u64>) {
        let mut unknown = 0;
        while let Some(run) = self.runs.pop_front_if(|run| run.last <= last) {
            self.bytes -= run.bytes;
            self.unsized_events -= run.unsized_events;
            bytes = bytes.map(|left| left.saturating_sub(run.bytes));
            unknown += run.unsized_events;
        }
        let Some(run) = self.runs.front_mut().filter(|run| run.first <= last) else {
            return;
        };
        let count = last - run.first + 1;
        let events = run.last - run.first + 1;
        // A found run's events come first.
        let found = run.unsized_events.min(count);
        let sized = match bytes {
            Some(left) => portion(left, count - found, count + unknown),
            None => portion(run.bytes, count - found, events - run.unsized_events),
        };
        let sized = sized.min(run.bytes);
        run.first = last + 1;
        run.bytes -= sized;
        run.unsized_events -= found;
        self.bytes -= sized;
        self.unsized_events -= found;
    }

    /// Halves the number of runs. What two of them stand for counts as the older one, never as younger.
    fn thin(&mut self) {
        let mut kept: VecDeque<Run> = VecDeque::with_capacity(MOST);
        let mut joins = false;
        for run in self.runs.drain(..) {
            match kept.back_mut().filter(|_| joins) {
                Some(older) => {
                    older.last = run.last;
                    older.bytes += run.bytes;
                    older.unsized_events += run.unsized_events;
                }
                None => kept.push_back(run),
            }
            joins = !joins;
        }
        self.runs = kept;
    }
}

impl Run {
    const fn found(first: u64, last: u64, since: Instant) -> Self {
        Self {
            first,
            last,
            since,
            is_found: true,
            bytes: 0,
            unsized_events: last - first + 1,
        }
    }
}

/// So many parts of a whole.
pub(super) fn portion(bytes: u64, parts: u64, of: u64) -> u64 {
    let whole = u128::from(bytes) * u128::from(parts) / u128::from(of.max(1));
    u64::try_from(whole).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
