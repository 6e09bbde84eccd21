//! What waits for one thread of the log, in order.

mod backlog;
mod blocks;
mod chunks;
mod gap;
mod work;

use std::sync::Arc;
use std::time::Instant;

use bus_core::{Completer, Meta};

use super::account::{Account, Unit};
use super::gate::weight_of;
use super::pack::{FIRST, Record, TICKETED, read_number, write_number};
use super::tag::{Tag, Until};
use crate::{Entry, encoded_bytes};
use blocks::Blocks;
use chunks::Chunks;

pub(super) use backlog::Backlog;
pub(super) use chunks::Pool;
pub(super) use gap::Gap;
pub(super) use work::{Part, Work};

/// One place in the order.
#[derive(Debug)]
pub(super) enum Item {
    Record(Entry, Tag),
    Gap(Gap),
}

/// Marks among the packed records of what is not packed.
const ENTRY: u8 = 0;
const GAP: u8 = 1;
const UNIT: u8 = 2;
const _: () = assert!(UNIT < FIRST);

/// Bytes of a mark and its place, at most.
const MARK: usize = 11;

/// Packed records larger than this are packed before the queue is locked.
pub(super) const LARGE: usize = 4 << 10;

/// What an entry that is not packed weighs: about the memory that it takes.
pub(super) fn weigh(entry: &Entry) -> usize {
    let own = size_of::<Entry>() + size_of::<Tag>();
    weight_of(encoded_bytes(entry).saturating_add(own))
}

/// A part of what waits for one thread, in order.
///
/// The order within is that of `packed`: what can't be packed stands in `loose`, in the same order, and
/// has a mark there. The order among the queues of one thread is that of the *places*, which never
/// fall within a queue; a gap comes before the record of the same place.
///
/// A gap merges with the one before it, so there is at most one gap more than there are records: the
/// bound on records bounds this too, but for one counter with losses.
#[derive(Debug)]
pub(super) struct Queue {
    packed: Chunks,
    loose: Blocks<Loose>,
    /// The place of what came last.
    last: u64,
    /// The place of what comes first, as far as it was looked at.
    first: u64,
    /// True if what came last is a gap.
    ends_with_gap: bool,
    /// What pushes are part of.
    begun: Option<Arc<Unit>>,
    /// True if `begun` was named to the packed records behind.
    is_named: bool,
    /// What packed records are part of that are popped.
    named: Option<Arc<Unit>>,
    /// Nothing in here is too late to be tried any earlier.
    earliest: Option<Instant>,
}

#[derive(Debug)]
enum Loose {
    /// What the packed records from here on are part of.
    Unit(Arc<Unit>),
    /// For the packed record at this place.
    Ticket(Completer),
    Entry(Box<(Entry, Tag)>),
    Gap(Gap),
    /// There was one.
    Gone,
}

/// What comes first in a queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Head {
    place: u64,
    is_record: bool,
}

impl Queue {
    pub(super) fn new(pool: Arc<Pool>) -> Self {
        Self {
            packed: Chunks::new(pool),
            loose: Blocks::default(),
            last: 0,
            first: 0,
            ends_with_gap: false,
            begun: None,
            is_named: false,
            named: None,
            earliest: None,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.packed.is_empty()
    }

    pub(super) const fn earliest(&self) -> Option<Instant> {
        self.earliest
    }

    /// What comes now by `account` is part of.
    fn unit(&mut self, account: &Arc<Account>) -> Arc<Unit> {
        match &self.begun {
            Some(unit) if unit.takes(account) => Arc::clone(unit),
            _ => {
                let unit = Unit::open(account);
                self.begun = Some(Arc::clone(&unit));
                self.is_named = false;
                unit
            }
        }
    }

    /// Sees to it that packed records pushed from now on are part of what `account`'s are.
    fn name_unit(&mut self, account: &Arc<Account>) {
        if self.is_named && self.begun.as_ref().is_some_and(|unit| unit.takes(account)) {
            return;
        }
        let unit = self.unit(account);
        self.packed.room(1).push(UNIT);
        self.loose.push_back(Loose::Unit(unit));
        self.is_named = true;
    }

    /// Begins what stands at `place`, and says where to write the rest of it, of at most `len` bytes.
    fn mark(&mut self, kind: u8, place: u64, len: usize) -> &mut Vec<u8> {
        let after = place - self.last;
        self.last = place;
        let out = self.packed.room(MARK.max(len));
        out.push(kind);
        write_number(after, out);
        out
    }

    /// Puts a record of `account` at `place`, made at `at`, in microseconds since 1970. One that is
    /// large is written already.
    pub(super) fn pack(
        &mut self,
        account: &Arc<Account>,
        place: u64,
        at: i64,
        record: &Record<'_>,
        (weight, large): (usize, Option<Vec<u8>>),
        done: Option<Completer>,
    ) {
        self.name_unit(account);
        self.ends_with_gap = false;
        let flags = if done.is_some() { TICKETED } else { 0 };
        let kind = record.kind() | flags;
        match large {
            None => record.write(at, self.mark(kind, place, weight)),
            Some(written) => {
                self.mark(kind, place, MARK);
                self.packed.push(written);
            }
        }
        if let Some(done) = done {
            self.loose.push_back(Loose::Ticket(done));
        }
    }

    /// Puts a record of `account` at `place`, which weighs `weight`.
    pub(super) fn push_record(
        &mut self,
        account: &Arc<Account>,
        place: u64,
        entry: Entry,
        weight: usize,
        done: Option<Completer>,
    ) {
        let tag = Tag::audit(self.unit(account), weight, done);
        self.push_entry(place, entry, tag);
    }

    /// Puts an event of `account`'s sink face at `place`, which weighs `weight`. True if it is the first
    /// that is too late to be tried.
    pub(super) fn push_event(
        &mut self,
        account: &Arc<Account>,
        place: u64,
        entry: Entry,
        weight: usize,
        (until, done): (Until, Completer),
    ) -> bool {
        let at = until.last_start;
        let sooner = self.earliest.is_none_or(|earliest| at < earliest);
        if sooner {
            self.earliest = Some(at);
        }
        let tag = Tag::sink(self.unit(account), weight, until, done);
        self.push_entry(place, entry, tag);
        sooner
    }

    fn push_entry(&mut self, place: u64, entry: Entry, tag: Tag) {
        self.mark(ENTRY, place, MARK);
        self.loose.push_back(Loose::Entry(Box::new((entry, tag))));
        self.ends_with_gap = false;
    }

    /// Notes that `lost` records of `account` were lost before `place`.
    pub(super) fn push_lost(&mut self, account: &Arc<Account>, place: u64, lost: u64) {
        match self.loose.back_mut() {
            Some(Loose::Gap(gap)) if self.ends_with_gap && self.last == place => {
                gap.add(lost, account);
            }
            _ => {
                // A unit of its own: the one of the records around it may end before.
                self.push_gap(place, Gap::of(lost, Unit::open(account)));
            }
        }
    }

    /// The same, where nobody is to wait until it is written.
    pub(super) fn keep_lost(&mut self, place: u64, lost: u64) {
        match self.loose.back_mut() {
            Some(Loose::Gap(gap)) if self.ends_with_gap && self.last == place => {
                gap.dropped += lost;
            }
            _ => self.push_gap(place, Gap::unawaited(lost)),
        }
    }

    /// Puts a gap before `place`.
    fn push_gap(&mut self, place: u64, gap: Gap) {
        self.mark(GAP, place, MARK);
        self.loose.push_back(Loose::Gap(gap));
        self.ends_with_gap = true;
    }

    /// Says that nothing is pushed any more until it is empty.
    fn end(&mut self) {
        self.begun = None;
        self.is_named = false;
    }

    /// Gives back the memory of an empty queue.
    pub(super) fn release(&mut self) {
        self.packed.release();
    }

    /// Takes out the events that are too late to be tried.
    pub(super) fn expired(&mut self, now: Instant) -> Vec<Tag> {
        if self.earliest.is_none_or(|earliest| earliest > now) {
            return Vec::new();
        }
        self.earliest = None;
        // Nobody must wait for those that stay because of those that go.
        self.end();
        let mut expired = Vec::new();
        for loose in self.loose.iter_mut() {
            let Loose::Entry(entry) = loose else {
                continue;
            };
            match entry.1.until.map(|until| until.last_start) {
                Some(at) if at <= now => {
                    if let Loose::Entry(entry) = std::mem::replace(loose, Loose::Gone) {
                        expired.push(entry.1);
                    }
                }
                Some(at) => self.earliest = Some(self.earliest.map_or(at, |e| e.min(at))),
                None => {}
            }
        }
        expired
    }

    /// What comes first.
    fn head(&mut self) -> Option<Head> {
        loop {
            let mut bytes = self.packed.unread();
            let (kind, rest) = bytes.split_first()?;
            if *kind == UNIT {
                self.packed.advance(1);
                if let Some(Loose::Unit(unit)) = self.loose.pop_front() {
                    self.named = Some(unit);
                }
                continue;
            }
            bytes = rest;
            return Some(Head {
                place: self.first + read_number(&mut bytes),
                is_record: *kind != GAP,
            });
        }
    }

    /// Takes out what comes first, which was looked at: `None` if it is gone.
    fn pop(&mut self) -> Option<Item> {
        let unread = self.packed.unread();
        let (&kind, mut bytes) = unread.split_first()?;
        self.first += read_number(&mut bytes);
        let read = unread.len() - bytes.len();
        self.packed.advance(read);
        let item = match kind {
            ENTRY | GAP => match self.loose.pop_front()? {
                Loose::Entry(entry) => Some(Item::Record(entry.0, entry.1)),
                Loose::Gap(gap) => Some(Item::Gap(gap)),
                Loose::Unit(_) | Loose::Ticket(_) | Loose::Gone => None,
            },
            kind => self.pop_packed(kind),
        };
        if self.is_empty() {
            self.named = None;
            self.earliest = None;
            self.ends_with_gap = false;
        }
        item
    }

    fn pop_packed(&mut self, kind: u8) -> Option<Item> {
        let mut bytes = self.packed.unread();
        let unread = bytes.len();
        let (at, record) = Record::read(kind & !TICKETED, &mut bytes);
        let weight = record.weight();
        let event = record.event(at);
        let read = unread - bytes.len();
        self.packed.advance(read);
        let done = match kind & TICKETED {
            0 => None,
            _ => match self.loose.pop_front() {
                Some(Loose::Ticket(done)) => Some(done),
                _ => None,
            },
        };
        let entry = Entry {
            at: *event.timestamp(),
            meta: Meta::default(),
            event: event.into(),
        };
        let unit = self.named.clone()?;
        Some(Item::Record(entry, Tag::audit(unit, weight, done)))
    }
}

impl Drop for Queue {
    /// Packed records are in no books of their own: each must be read to be counted as dropped.
    fn drop(&mut self) {
        while self.head().is_some() {
            drop(self.pop());
        }
    }
}

#[cfg(test)]
mod tests;
