//! The pending queue: what a sink has taken, in the order in which it took it.

use std::collections::VecDeque;

/// Things in a fixed order that settle in any order and leave in the fixed one.
///
/// `T` is the thing, `O` how it ended.
pub(crate) struct Pending<T, O> {
    slots: VecDeque<Slot<T, O>>,
    /// The place of the first slot.
    first: u64,
}

struct Slot<T, O> {
    thing: T,
    outcome: Option<O>,
}

/// A thing's place in the order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place(u64);

impl<T, O> Pending<T, O> {
    pub(crate) const fn new() -> Self {
        Self {
            slots: VecDeque::new(),
            first: 0,
        }
    }

    /// Puts `thing` behind all others.
    pub(crate) fn push(&mut self, thing: T) -> Place {
        let place = Place(self.first + self.slots.len() as u64);
        self.slots.push_back(Slot {
            thing,
            outcome: None,
        });
        place
    }

    /// Says how the thing at `place` ended. A thing settles once: what is said later is ignored.
    pub(crate) fn settle(&mut self, place: Place, outcome: O) {
        let index = self.index(place);
        if let Some(slot) = index.and_then(|index| self.slots.get_mut(index)) {
            slot.outcome.get_or_insert(outcome);
        }
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.slots.len()
    }

    /// The first thing.
    pub(crate) fn first(&self) -> Option<&T> {
        self.slots.front().map(|slot| &slot.thing)
    }

    /// The thing at `place`, unless it has settled or left.
    pub(crate) fn unsettled(&self, place: Place) -> Option<&T> {
        let slot = self.slots.get(self.index(place)?)?;
        slot.outcome.is_none().then_some(&slot.thing)
    }

    /// Settles those before `place` that have not, as far as `outcome` has one for them.
    pub(crate) fn settle_before(&mut self, place: Place, outcome: impl Fn(&T) -> Option<O>) {
        let before = self.index(place).unwrap_or(0);
        for slot in self.slots.iter_mut().take(before) {
            if slot.outcome.is_none() {
                slot.outcome = outcome(&slot.thing);
            }
        }
    }

    /// Settles the first that have not, up to the one that `outcome` has none for.
    pub(crate) fn settle_while(&mut self, mut outcome: impl FnMut(&T) -> Option<O>) {
        for slot in &mut self.slots {
            match outcome(&slot.thing) {
                Some(outcome) => slot.outcome.get_or_insert(outcome),
                None => return,
            };
        }
    }

    /// The first thing, once it has settled. Nothing overtakes it.
    pub(crate) fn pop_settled(&mut self) -> Option<(T, O)> {
        let outcome = self.slots.front_mut()?.outcome.take()?;
        self.first += 1;
        self.slots.pop_front().map(|slot| (slot.thing, outcome))
    }

    /// Gives back the room that nothing is in now.
    pub(crate) fn shrink(&mut self) {
        if self.slots.is_empty() {
            self.slots.shrink_to_fit();
        }
    }

    /// Where the thing at `place` stands in the queue; `None` if it has left.
    fn index(&self, place: Place) -> Option<usize> {
        usize::try_from(place.0.checked_sub(self.first)?).ok()
    }
}

#[cfg(test)]
mod tests;
