//! What is under way: whose it is, and who wants to know.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bus_core::Completer;

use super::account::{Account, Unit};
use super::config::LAST_TRY;
use super::stats::{Face, Tally};

/// Until when an event is tried.
#[derive(Clone, Copy, Debug)]
pub(super) struct Until {
    /// A try that begins later may have no answer in time, and would leave the event in doubt.
    pub(super) last_start: Instant,
    pub(super) deadline: Instant,
}

impl Until {
    pub(super) fn of(begun: Instant, retry_for: Duration) -> Self {
        let last_try = LAST_TRY.min(retry_for / 10);
        Self {
            last_start: begun + (retry_for - last_try),
            deadline: begun + retry_for,
        }
    }

    /// How long to wait at most between two tries: whatever comes meanwhile is tried in time.
    pub(super) fn longest_pause(&self) -> Duration {
        5 * self.deadline.saturating_duration_since(self.last_start)
    }
}

/// A record or event that is under way.
///
/// Dropped unsettled it counts as dropped, and its ticket fails: nobody waits for good.
#[derive(Debug)]
pub(super) struct Tag {
    /// `None` once settled.
    unit: Option<Arc<Unit>>,
    face: Face,
    /// What it weighs in the queue.
    weight: usize,
    pub(super) until: Option<Until>,
    pub(super) done: Option<Completer>,
}

impl Tag {
    pub(super) const fn audit(unit: Arc<Unit>, weight: usize, done: Option<Completer>) -> Self {
        Self {
            unit: Some(unit),
            face: Face::Audit,
            weight,
            until: None,
            done,
        }
    }

    pub(super) const fn sink(
        unit: Arc<Unit>,
        weight: usize,
        until: Until,
        done: Completer,
    ) -> Self {
        Self {
            unit: Some(unit),
            face: Face::Sink,
            weight,
            until: Some(until),
            done: Some(done),
        }
    }

    pub(super) const fn face(&self) -> Face {
        self.face
    }

    pub(super) const fn weight(&self) -> usize {
        self.weight
    }

    pub(super) fn account(&self) -> Option<&Arc<Account>> {
        self.unit.as_ref().map(|unit| unit.account())
    }

    /// When to give it up, if somebody waits for it: later once the log may be at it.
    pub(super) fn waits_until(&self, in_doubt: bool) -> Option<Instant> {
        let until = self.until.filter(|_| self.done.is_some())?;
        Some(match in_doubt {
            true => until.deadline,
            false => until.last_start,
        })
    }

    /// True if nobody is there any more who would count it as written.
    pub(super) fn is_given_up(&self) -> bool {
        self.account().is_none_or(|account| account.is_given_up())
    }

    /// Counts a lost record as dropped and keeps its unit open, for the gap that it leaves.
    /// `None` for the sink face, whose caller is told by the ticket.
    pub(super) fn lose(mut self) -> Option<Arc<Unit>> {
        if self.face == Face::Sink {
            return None;
        }
        let unit = self.unit.take()?;
        unit.account().settle(&self.dropped());
        Some(unit)
    }

    /// Counts them all as written: one entry in the books per account and run. Their units stay
    /// open until what is returned is dropped: tickets are told first.
    #[must_use]
    pub(super) fn settle_written<'a>(tags: impl Iterator<Item = &'a mut Self>) -> Vec<Arc<Unit>> {
        let mut units: Vec<Arc<Unit>> = Vec::new();
        let mut tally = Tally::default();
        for tag in tags {
            let Some(unit) = tag.unit.take() else {
                continue;
            };
            match units.last() {
                Some(last) if Arc::ptr_eq(last, &unit) => {}
                Some(last) if last.is_of(unit.account()) => units.push(unit),
                last => {
                    if let Some(last) = last {
                        last.account().settle(&std::mem::take(&mut tally));
                    }
                    units.push(unit);
                }
            }
            match tag.face {
                Face::Audit => {
                    tally.written += 1;
                    tally.audit_bytes += tag.weight;
                }
                Face::Sink => {
                    tally.sink += 1;
                    tally.sink_bytes += tag.weight;
                }
            }
        }
        if let Some(last) = units.last() {
            last.account().settle(&tally);
        }
        units
    }

    fn dropped(&self) -> Tally {
        match self.face {
            Face::Audit => Tally {
                dropped: 1,
                audit_bytes: self.weight,
                ..Tally::default()
            },
            Face::Sink => Tally {
                sink: 1,
                sink_bytes: self.weight,
                ..Tally::default()
            },
        }
    }
}

impl Drop for Tag {
    fn drop(&mut self) {
        if let Some(unit) = self.unit.take() {
            unit.account().settle(&self.dropped());
        }
    }
}
