//! Hands things over in one order, by whoever comes by, though nobody waits but those who agreed to.
//!
//! Whoever has `order` hands over. What could not be handed over at once is *deferred*: because somebody else has
//! `order`, or because it was refused. Whoever had `order` looks there once they have let go of it
//! ([`next`](Handover::next)), as others then relied on them.

use std::collections::VecDeque;
use std::sync::{PoisonError, TryLockError};

use super::reentrancy::{Held, Holder};
use crate::sync::{Mutex, MutexGuard};

pub(super) struct Handover<P> {
    order: Mutex<()>,
    holder: Holder,
    deferred: Mutex<Deferred<P>>,
}

struct Deferred<P> {
    things: VecDeque<P>,
    /// Nobody is to look at them: who had to could find nobody who may wait for them.
    is_left: bool,
}

/// What became of a thing that was to be handed over at once.
pub(super) enum Passed<P, T> {
    Taken(T),
    /// Others are before it, or at it. They will look at what is deferred.
    InTheWay(P),
    /// It was refused. The caller had `order`.
    Refused(P),
}

/// What became of the first that was deferred.
pub(super) enum Next<T, W> {
    Nothing,
    /// Somebody has `order`, and will look again.
    SeenTo,
    Taken(T),
    Refused(W),
}

/// The right to hand over. Given back in this order.
struct Order<'a> {
    _held: Held<'a>,
    _order: MutexGuard<'a, ()>,
}

impl<P> Handover<P> {
    pub(super) fn new() -> Self {
        Self {
            order: Mutex::new(()),
            holder: Holder::default(),
            deferred: Mutex::new(Deferred {
                things: VecDeque::new(),
                is_left: false,
            }),
        }
    }

    /// Whether this thread hands something over just now.
    pub(super) fn is_held_here(&self) -> bool {
        self.holder.is_me()
    }

    /// Hands a thing over by a thread that waits for its turn. `None` if it is deferred. Afterwards, the caller looks
    /// at what is.
    ///
    /// Here and below, `offer` is called with `order`, and so is `place`, for what was taken.
    pub(super) fn send<K, W, T>(
        &self,
        mut thing: P,
        offer: impl FnOnce(&mut P) -> Result<K, W>,
        place: impl FnOnce(P, K) -> T,
    ) -> Option<T> {
        let _order = self.wait_for_order();
        let mut deferred = self.deferred();
        if !deferred.things.is_empty() {
            // What was left before goes first.
            deferred.things.push_back(thing);
            return None;
        }
        drop(deferred);
        if let Ok(taken) = offer(&mut thing) {
            Some(place(thing, taken))
        } else {
            self.deferred().things.push_front(thing);
            None
        }
    }

    /// Hands a thing over, if nobody is in its way. Unless somebody is, the caller then looks at what is deferred.
    pub(super) fn pass<K, W, T>(
        &self,
        mut thing: P,
        offer: impl FnOnce(&mut P) -> Result<K, W>,
        place: impl FnOnce(P, K) -> T,
    ) -> Passed<P, T> {
        if !self.deferred().things.is_empty() {
            return Passed::InTheWay(thing);
        }
        let Some(_order) = self.try_order() else {
            return Passed::InTheWay(thing);
        };
        if !self.deferred().things.is_empty() {
            return Passed::Refused(thing);
        }
        match offer(&mut thing) {
            Ok(taken) => Passed::Taken(place(thing, taken)),
            Err(_) => Passed::Refused(thing),
        }
    }

    /// Puts a thing behind all others, or in place of the last, if `replaces` says so. True if the caller is to look
    /// at what is deferred: if not, whoever left those before it does, unless [they could not](Self::leave).
    pub(super) fn defer(&self, thing: P, replaces: impl FnOnce(&P, &P) -> bool) -> bool {
        let mut deferred = self.deferred();
        let was_left = std::mem::take(&mut deferred.is_left);
        if let Some(last) = deferred.things.back_mut()
            && replaces(&thing, last)
        {
            let replaced = std::mem::replace(last, thing);
            drop(deferred);
            drop(replaced);
            return was_left;
        }
        deferred.things.push_back(thing);
        was_left || deferred.things.len() == 1
    }

    /// Leaves what is deferred to who comes next.
    pub(super) fn leave(&self) {
        let mut deferred = self.deferred();
        deferred.is_left = !deferred.things.is_empty();
    }

    /// Changes the last that was deferred, as `change` says.
    pub(super) fn change_last(&self, change: impl FnOnce(&mut P) -> bool) -> bool {
        self.deferred().things.back_mut().is_some_and(change)
    }

    /// Hands over the first that was deferred.
    pub(super) fn next<K, W, T>(
        &self,
        offer: impl Fn(&mut P) -> Result<K, W>,
        place: impl Fn(P, K) -> T,
    ) -> Next<T, W> {
        loop {
            if let Some(next) = self.look(&offer, &place) {
                return next;
            }
        }
    }

    /// One look at what is deferred. `None` if somebody else had what was there: who left something meanwhile relies on
    /// whoever had the order, so that it is to be looked again without it.
    fn look<K, W, T>(
        &self,
        offer: &impl Fn(&mut P) -> Result<K, W>,
        place: &impl Fn(P, K) -> T,
    ) -> Option<Next<T, W>> {
        if self.deferred().things.is_empty() {
            return Some(Next::Nothing);
        }
        let Some(_order) = self.try_order() else {
            return Some(Next::SeenTo);
        };
        let mut thing = self.deferred().things.pop_front()?;
        Some(match offer(&mut thing) {
            Ok(taken) => Next::Taken(place(thing, taken)),
            Err(why) => {
                self.deferred().things.push_front(thing);
                Next::Refused(why)
            }
        })
    }

    /// Gives back the room that nothing is in now.
    pub(super) fn shrink(&self) {
        let mut deferred = self.deferred();
        if deferred.things.is_empty() {
            deferred.things.shrink_to_fit();
        }
    }

    fn wait_for_order(&self) -> Order<'_> {
        let order = self.order.lock().unwrap_or_else(PoisonError::into_inner);
        self.with(order)
    }

    fn try_order(&self) -> Option<Order<'_>> {
        match self.order.try_lock() {
            Ok(order) => Some(self.with(order)),
            Err(TryLockError::Poisoned(poisoned)) => Some(self.with(poisoned.into_inner())),
            Err(TryLockError::WouldBlock) => None,
        }
    }

    fn with<'a>(&'a self, order: MutexGuard<'a, ()>) -> Order<'a> {
        Order {
            _held: self.holder.hold(),
            _order: order,
        }
    }

    fn deferred(&self) -> MutexGuard<'_, Deferred<P>> {
        self.deferred.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(all(test, loom))]
mod models;
