//! The pending queue: what a sink has taken, in the order in which it took it.

use std::collections::VecDeque;

/// Things in a fixed order that settle in any order and leave in the fixed one.
///
/// `T` is the thing, `O` how it ended.
pub(crate) struct Pending<T, O> {
    slots: VecDeque<Slot<T, O>>,
    /// The place of the first slot.
    first: u64,
    /// How many of the first were seen to have settled: nobody looks at them again.
    passed: usize,
}

struct Slot<T, O> {
    thing: T,
    outcome: Option<O>,
}

/// A thing's place in the order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place(u64);

impl<T, O> Pending<T, O> {
    pub(crate) const fn new() -> Self {
        Self {
            slots: VecDeque::new(),
            first: 0,
            passed: 0,
        }
    }

    /// Puts `thing` behind all others.
    pub(crate) fn push(&mut self, thing: T) -> Place {
        let place = self.next_place();
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

    /// The place of the first thing; the next one where there is none.
    pub(crate) const fn first_place(&self) -> Place {
        Place(self.first)
    }

    /// The place of what is pushed next.
    pub(crate) fn next_place(&self) -> Place {
        Place(self.first + self.slots.len() as u64)
    }

    /// The last thing, and its place.
    pub(crate) fn last_mut(&mut self) -> Option<(Place, &mut T)> {
        let index = self.slots.len().checked_sub(1)?;
        let place = Place(self.first + index as u64);
        self.slots.back_mut().map(|slot| (place, &mut slot.thing))
    }

    /// Goes past the next of the first that have settled, each once, and shows it.
    pub(crate) fn pass_settled(&mut self) -> Option<&T> {
        let slot = self.slots.get(self.passed)?;
        slot.outcome.as_ref()?;
        self.passed += 1;
        Some(&slot.thing)
    }

    /// What stands behind those that were [passed](Self::pass_settled).
    pub(crate) fn next_unpassed(&self) -> Option<&T> {
        self.slots.get(self.passed).map(|slot| &slot.thing)
    }

    /// Says how that one ended.
    pub(crate) fn settle_next_unpassed(&mut self, outcome: O) {
        if let Some(slot) = self.slots.get_mut(self.passed) {
            slot.outcome.get_or_insert(outcome);
        }
    }

    /// Whether the first thing was [passed](Self::pass_settled).
    pub(crate) const fn has_passed_first(&self) -> bool {
        self.passed > 0
    }

    /// The thing at `place`, unless it has settled or left.
    pub(crate) fn unsettled(&self, place: Place) -> Option<&T> {
        let slot = self.slots.get(self.index(place)?)?;
        slot.outcome.is_none().then_some(&slot.thing)
    }

    /// Settles those before `place` that have not, as far as `outcome` has one for them.
    pub(crate) fn settle_before(&mut self, place: Place, outcome: impl Fn(&T) -> Option<O>) {
        let before = self.index(place).unwrap_or(0).min(self.slots.len());
        for slot in self.slots.range_mut(self.passed.min(before)..before) {
            if slot.outcome.is_none() {
                slot.outcome = outcome(&slot.thing);
            }
        }
    }

    /// The first thing, once it has settled. Nothing overtakes it.
    pub(crate) fn pop_settled(&mut self) -> Option<(T, O)> {
        let outcome = self.slots.front_mut()?.outcome.take()?;
        self.first += 1;
        self.passed = self.passed.saturating_sub(1);
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
impl<T, O> Pending<T, O> {
    pub(crate) fn len(&self) -> usize {
        self.slots.len()
    }
}

#[cfg(test)]
mod tests;
