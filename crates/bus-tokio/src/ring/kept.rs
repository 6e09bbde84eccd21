//! The envelopes that somebody has yet to read.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::Envelope;

/// A window of `seq`s, the oldest of which at least one receiver has yet to read.
///
/// Each envelope knows how many receivers stand *at* it, not how many have yet to read it: a
/// receiver that takes many, falls behind or leaves changes two numbers, however many it passes.
pub(super) struct Kept {
    slots: VecDeque<Slot>,
    /// The `seq` of the next envelope.
    next: u64,
    /// Receivers that have read everything: they stand at `next`.
    caught_up: usize,
}

struct Slot {
    envelope: Arc<Envelope>,
    /// Receivers that read this one next. Those that lag count at the oldest.
    here: usize,
}

/// What a receiver finds at its cursor.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found {
    Envelopes,
    /// So many were overwritten before it could read them.
    Lagged(u64),
    Nothing,
}

impl Kept {
    pub(super) const fn new() -> Self {
        Self {
            slots: VecDeque::new(),
            next: 1,
            caught_up: 0,
        }
    }

    pub(super) const fn next(&self) -> u64 {
        self.next
    }

    /// A cursor of a new receiver, which stands behind all that is kept.
    pub(super) const fn join(&mut self) -> u64 {
        self.caught_up += 1;
        self.next
    }

    /// Counts an envelope that nobody is there to read.
    pub(super) const fn skip(&mut self) {
        self.next += 1;
    }

    /// Keeps the next envelope. Returns the one that had to go for it, if there were `capacity`.
    pub(super) fn push(
        &mut self,
        envelope: Arc<Envelope>,
        capacity: usize,
    ) -> Option<Arc<Envelope>> {
        self.next += 1;
        let mut here = std::mem::take(&mut self.caught_up);
        let mut overwritten = None;
        if self.slots.len() == capacity
            && let Some(oldest) = self.slots.pop_front()
        {
            // Who stood there lags, and stands at the next oldest from now on.
            match self.slots.front_mut() {
                Some(slot) => slot.here += oldest.here,
                None => here += oldest.here,
            }
            overwritten = Some(oldest.envelope);
        }
        self.slots.push_back(Slot { envelope, here });
        overwritten
    }

    /// Reads up to `limit` envelopes at `cursor`, which then stands behind them. Whoever is the last
    /// to read one gets the window's own reference.
    pub(super) fn read(
        &mut self,
        cursor: &mut u64,
        limit: usize,
        take: &mut impl FnMut(Arc<Envelope>),
    ) -> Found {
        let oldest = self.oldest();
        if *cursor < oldest {
            let missed = oldest - *cursor;
            *cursor = oldest;
            return Found::Lagged(missed);
        }
        let Some(from) = self.index(*cursor) else {
            return Found::Nothing;
        };
        let to = self.slots.len().min(from.saturating_add(limit));
        *self.standing_at(from) -= 1;
        *self.standing_at(to) += 1;
        *cursor += (to - from) as u64;
        // Nobody reads an envelope before the older ones: if none stand at the oldest, none will.
        let mut left = to - from;
        if from == 0 {
            while left > 0
                && let Some(slot) = self.slots.pop_front_if(|slot| slot.here == 0)
            {
                left -= 1;
                take(slot.envelope);
            }
        }
        for slot in self.slots.range(from..from + left) {
            take(Arc::clone(&slot.envelope));
        }
        Found::Envelopes
    }

    /// A receiver at `cursor` is no more. What only it had yet to read is for [`trim`](Self::trim).
    pub(super) fn leave(&mut self, cursor: u64) {
        let at = cursor.max(self.oldest());
        let index = self.index(at).unwrap_or(self.slots.len());
        *self.standing_at(index) -= 1;
    }

    /// Takes up to `limit` of the oldest envelopes that nobody will read. False if that were all.
    pub(super) fn trim(&mut self, limit: usize, into: &mut Vec<Arc<Envelope>>) -> bool {
        for _ in 0..limit {
            match self.slots.pop_front_if(|slot| slot.here == 0) {
                Some(slot) => into.push(slot.envelope),
                None => return false,
            }
        }
        true
    }

    /// Takes everything, and the room for it.
    pub(super) fn clear(&mut self) -> impl Sized + use<> {
        std::mem::take(&mut self.slots)
    }

    /// Gives back the room that nothing is in.
    pub(super) fn shrink(&mut self) {
        if self.slots.is_empty() {
            self.slots.shrink_to_fit();
        }
    }

    /// How many receivers stand at an index, or behind the last.
    fn standing_at(&mut self, index: usize) -> &mut usize {
        match self.slots.get_mut(index) {
            Some(slot) => &mut slot.here,
            None => &mut self.caught_up,
        }
    }

    /// Where the envelope with that `seq`, which is not older than the oldest, is kept.
    fn index(&self, seq: u64) -> Option<usize> {
        let index = usize::try_from(seq - self.oldest()).ok()?;
        (index < self.slots.len()).then_some(index)
    }

    /// The `seq` of the oldest envelope kept; of the next one where none is.
    fn oldest(&self) -> u64 {
        self.next - self.slots.len() as u64
    }
}

#[cfg(test)]
impl Kept {
    /// How many envelopes are kept, and for how many there is room.
    pub(super) fn lengths(&self) -> (usize, usize) {
        (self.slots.len(), self.slots.capacity())
    }
}
