//! A part of the order on its way into the log.

use super::super::tag::Tag;
use super::{Backlog, Gap, Item};
use crate::Entry;

/// A part of the order on its way into the log.
#[derive(Debug, Default)]
pub(in super::super) struct Work {
    /// What is handed to the log: `entries[i]` is made of `parts[i]`.
    entries: Vec<Entry>,
    parts: Vec<Part>,
}

#[derive(Debug)]
pub(in super::super) enum Part {
    Record(Tag),
    Gap(Gap),
}

impl Work {
    pub(in super::super) fn len(&self) -> usize {
        self.parts.len()
    }

    pub(in super::super) fn is_empty(&self) -> bool {
        self.parts.is_empty()
    }

    pub(in super::super) fn entries(&self, len: usize) -> &[Entry] {
        &self.entries[..len.min(self.entries.len())]
    }

    /// The first `len` entries, beside all parts.
    pub(in super::super) fn split(&mut self, len: usize) -> (&[Entry], &mut [Part]) {
        (
            &self.entries[..len.min(self.entries.len())],
            &mut self.parts,
        )
    }

    pub(in super::super) fn tags(&self) -> impl Iterator<Item = &Tag> {
        self.parts.iter().filter_map(|part| match part {
            Part::Record(tag) => Some(tag),
            Part::Gap(_) => None,
        })
    }

    /// True if a gap comes first.
    pub(in super::super) fn starts_with_gap(&self) -> bool {
        matches!(self.parts.first(), Some(Part::Gap(_)))
    }

    /// Fills up from `queue` to `entries` and about `bytes`, at least by one.
    /// Returns the bytes, as the queue weighs them.
    pub(in super::super) fn fill(
        &mut self,
        queue: &mut Backlog,
        entries: usize,
        bytes: usize,
    ) -> usize {
        let mut filled = 0;
        while self.len() < entries && filled < bytes {
            match queue.pop() {
                None => break,
                Some(Item::Gap(gap)) => self.push_gap(gap),
                Some(Item::Record(entry, tag)) => {
                    filled += tag.weight();
                    self.entries.push(entry);
                    self.parts.push(Part::Record(tag));
                }
            }
        }
        filled
    }

    /// Puts a gap in the last place back, if it is not all there is.
    pub(in super::super) fn put_back_last_gap(&mut self, queue: &mut Backlog) {
        if self.len() < 2 {
            return;
        }
        if let Some(Part::Gap(gap)) = self.parts.pop_if(|part| matches!(part, Part::Gap(_))) {
            self.entries.pop();
            queue.put_back(gap);
        }
    }

    pub(in super::super) fn push_gap(&mut self, gap: Gap) {
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
    pub(in super::super) fn take(&mut self, len: usize) -> Vec<Part> {
        self.entries.drain(..len);
        self.parts.drain(..len).collect()
    }

    /// Drops the records that `is_lost`, among the first `len`, leaving gaps where they were, and
    /// returns their tags' tickets. The sink face's leave nothing.
    pub(in super::super) fn lose(
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
                    if let Some(unit) = tag.lose() {
                        self.push_gap(Gap::of(1, unit));
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
