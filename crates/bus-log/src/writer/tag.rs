//! What is under way: whose it is, and who wants to know.

use std::sync::Arc;
use std::time::Instant;

use bus_core::Completer;

use super::account::{Account, Unit};
use super::stats::{Face, Tally};

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
    pub(super) deadline: Option<Instant>,
    pub(super) done: Option<Completer>,
}

impl Tag {
    pub(super) const fn audit(unit: Arc<Unit>, weight: usize, done: Option<Completer>) -> Self {
        Self {
            unit: Some(unit),
            face: Face::Audit,
            weight,
            deadline: None,
            done,
        }
    }

    pub(super) const fn sink(
        unit: Arc<Unit>,
        weight: usize,
        deadline: Instant,
        done: Completer,
    ) -> Self {
        Self {
            unit: Some(unit),
            face: Face::Sink,
            weight,
            deadline: Some(deadline),
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
