//! What waits for one thread of the log, in order, and what of it goes into the next append.

mod blocks;

use std::sync::Arc;
use std::time::Instant;

use bus_core::GraphEvent;
use chrono::{DateTime, Utc};

use super::account::{Account, Hold, Tag};
use crate::{Entry, encoded_bytes, to_micros};
use blocks::Blocks;

/// Records lost at one place.
#[derive(Debug)]
pub(super) struct Gap {
    pub(super) dropped: u64,
    /// When the first was lost.
    at: DateTime<Utc>,
    /// Whose flushes wait for the gap to be written.
    holds: Vec<Hold>,
}

impl Gap {
    /// One record lost, now.
    pub(super) fn of(hold: Hold) -> Self {
        Self {
            dropped: 1,
            at: to_micros(Utc::now()),
            holds: vec![hold],
        }
    }

    /// Counts one more of `account`'s.
    fn add(&mut self, account: &Arc<Account>) {
        self.dropped += 1;
        if !self.holds.iter().any(|hold| hold.is_of(account)) {
            self.holds.push(account.hold());
        }
    }

    /// Takes in a later gap.
    pub(super) fn merge(&mut self, later: Self) {
        self.dropped += later.dropped;
        for hold in later.holds {
            if !self.holds.iter().any(|own| own.is_of(hold.account())) {
                self.holds.push(hold);
            }
        }
    }

    /// Lets those who wait for it go on: it will be long.
    pub(super) fn release(&mut self) {
        self.holds.clear();
    }

    fn entry(&self) -> Entry {
        Entry {
            at: self.at,
            ..Entry::from(GraphEvent::AuditGap {
                dropped: self.dropped,
                timestamp: self.at,
            })
        }
    }
}

/// One place in the order.
#[derive(Debug)]
pub(super) enum Item {
    Record(Entry, Tag),
    Gap(Gap),
}

/// What waits, in order.
///
/// A gap merges with the one before it, so there is at most one gap more than there are records:
/// the ledger's bound on records bounds this too, but for one counter per thread key with losses.
#[derive(Debug, Default)]
pub(super) struct Queue {
    items: Blocks<Item>,
    /// No deadline in here is earlier.
    earliest: Option<Instant>,
}

impl Queue {
    pub(super) fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    pub(super) const fn earliest(&self) -> Option<Instant> {
        self.earliest
    }

    /// True if its deadline is the earliest.
    pub(super) fn push(&mut self, entry: Entry, tag: Tag) -> bool {
        let sooner = tag
            .deadline
            .is_some_and(|deadline| self.earliest.is_none_or(|earliest| deadline < earliest));
        if sooner {
            self.earliest = tag.deadline;
        }
        self.items.push_back(Item::Record(entry, tag));
        sooner
    }

    /// Notes that a record of `account` was lost here.
    pub(super) fn push_lost(&mut self, account: &Arc<Account>) {
        match self.items.back_mut() {
            Some(Item::Gap(gap)) => gap.add(account),
            _ => self.items.push_back(Item::Gap(Gap::of(account.hold()))),
        }
    }

    /// Takes out the events whose time is over.
    pub(super) fn expired(&mut self, now: Instant) -> Vec<Tag> {
        if self.earliest.is_none_or(|earliest| earliest > now) {
            return Vec::new();
        }
        self.earliest = None;
        let mut expired = Vec::new();
        let mut kept = Blocks::default();
        for item in self.items.drain() {
            match item {
                Item::Record(_, tag) if tag.deadline.is_some_and(|deadline| deadline <= now) => {
                    expired.push(tag);
                }
                item => {
                    if let Item::Record(
                        _,
                        Tag {
                            deadline: Some(at), ..
                        },
                    ) = &item
                    {
                        self.earliest = Some(self.earliest.map_or(*at, |e| e.min(*at)));
                    }
                    kept.push_back(item);
                }
            }
        }
        self.items = kept;
        expired
    }

    fn pop(&mut self) -> Option<Item> {
        let item = self.items.pop_front();
        if self.items.is_empty() {
            self.earliest = None;
        }
        item
    }
}

/// A part of the order on its way into the log.
#[derive(Debug, Default)]
pub(super) struct Work {
    /// What is handed to the log: `entries[i]` is made of `parts[i]`.
    entries: Vec<Entry>,
    parts: Vec<Part>,
}

#[derive(Debug)]
pub(super) enum Part {
    Record(Tag),
    Gap(Gap),
}

impl Work {
    pub(super) fn len(&self) -> usize {
        self.parts.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.parts.is_empty()
    }

    pub(super) fn entries(&self, len: usize) -> &[Entry] {
        &self.entries[..len.min(self.entries.len())]
    }

    /// The first `len` entries, beside all parts.
    pub(super) fn split(&mut self, len: usize) -> (&[Entry], &mut [Part]) {
        (
            &self.entries[..len.min(self.entries.len())],
            &mut self.parts,
        )
    }

    pub(super) fn tags(&self) -> impl Iterator<Item = &Tag> {
        self.parts.iter().filter_map(|part| match part {
            Part::Record(tag) => Some(tag),
            Part::Gap(_) => None,
        })
    }

    /// True if a gap comes first.
    pub(super) fn starts_with_gap(&self) -> bool {
        matches!(self.parts.first(), Some(Part::Gap(_)))
    }

    /// Fills up from `queue` to `entries` and about `bytes`, at least by one.
    /// Returns the bytes.
    pub(super) fn fill(&mut self, queue: &mut Queue, entries: usize, bytes: usize) -> usize {
        let mut filled = 0;
        while self.len() < entries && filled < bytes {
            match queue.pop() {
                None => break,
                Some(Item::Gap(gap)) => self.push_gap(gap),
                Some(Item::Record(entry, tag)) => {
                    filled += encoded_bytes(&entry);
                    self.entries.push(entry);
                    self.parts.push(Part::Record(tag));
                }
            }
        }
        filled
    }

    /// Puts a gap in the last place back, if it is not all there is.
    pub(super) fn put_back_last_gap(&mut self, queue: &mut Queue) {
        if self.len() < 2 {
            return;
        }
        if let Some(Part::Gap(gap)) = self.parts.pop_if(|part| matches!(part, Part::Gap(_))) {
            self.entries.pop();
            queue.items.push_front(Item::Gap(gap));
        }
    }

    pub(super) fn push_gap(&mut self, gap: Gap) {
        if let Some(Part::Gap(before)) = self.parts.last_mut() {
            before.merge(gap);
            if let Some(entry) = self.entries.last_mut() {
                *entry = before.entry();
            }
        } else {
            self.entries.push(gap.entry());
            self.parts.push(Part::Gap(gap));
        }
    }

    /// Takes out the first `len`.
    pub(super) fn take(&mut self, len: usize) -> Vec<Part> {
        self.entries.drain(..len);
        self.parts.drain(..len).collect()
    }

    /// Drops the records that `is_lost`, among the first `len`, leaving gaps where they were, and
    /// returns their tags' tickets. The sink face's leave nothing.
    pub(super) fn lose(
        &mut self,
        len: usize,
        mut is_lost: impl FnMut(&Tag) -> bool,
    ) -> Vec<bus_core::Completer> {
        let mut tickets = Vec::new();
        let old = std::mem::take(self);
        for (i, (entry, part)) in old.entries.into_iter().zip(old.parts).enumerate() {
            match part {
                Part::Gap(gap) => self.push_gap(gap),
                Part::Record(mut tag) if i < len && is_lost(&tag) => {
                    tickets.extend(tag.done.take());
                    if let Some(hold) = tag.lose() {
                        self.push_gap(Gap::of(hold));
                    }
                }
                record @ Part::Record(_) => {
                    self.entries.push(entry);
                    self.parts.push(record);
                }
            }
        }
        tickets
    }
}

#[cfg(test)]
mod tests;
