//! The line that all durable events of a bus stand in, from the sink to the subscribers.
//!
//! - [`handover`] has an order, which is held while a sink takes an event and the event gets its place behind those taken
//!   before. That is what makes the order of the broadcast the order of the sink. Nobody waits for room in a sink
//!   while they hold it. What could not be handed in at once is deferred there: somebody else has the order, or the sink is
//!   full, or may block. For a sink that is full a thread that all buses share, the [`waiter`], tries again, and one that may
//!   block is called by a thread of the bus's own, [`hand_in`].
//! - [`delivery`] holds what sinks have taken.
//!
//! See `docs/adr/0014-nobody-waits-under-the-order-lock.md`.

mod delivery;
mod hand_in;
mod handover;
mod parcel;
mod reentrancy;
mod waiter;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;
use std::thread;
use std::time::Instant;

use bus_core::{DateTime, Event, Helper, Meta, Ticket, TicketOutcome, Utc};
use tokio::sync::Semaphore;

use crate::emit::must_not_wait;
use crate::envelope::Origin;
use crate::legacy::Legacy;
use crate::ring::Ring;
use crate::sinks::{NotTaken, Sinks, Wait, panicked};
use delivery::{Delivery, Stands};
use hand_in::HandIn;
use handover::{Handover, Next, Passed};

pub(crate) use parcel::{Addressee, Cargo, Parcel};
pub(crate) use reentrancy::{delivering, delivers};

/// Places for parcels that wait to be handed in and have nobody who is blocked until they are. A parcel takes
/// one for each KiB that it is made of, and at least one.
const PLACES: usize = 65_536;

/// How many are handed in by somebody who came for one of their own, before others do the rest.
const AT_ONCE: usize = 256;

pub(crate) struct Line {
    delivery: Delivery,
    handover: Handover<Parcel>,
    places: Semaphore,
    hand_in: HandIn,
}

/// A parcel that its sink has taken.
struct Taken {
    stands: Stands,
    ticket: Ticket,
    /// Its sinks, if the parcel was the last to hold them.
    left: Option<Sinks>,
}

/// Why a parcel is not handed in.
enum Stuck {
    /// Its sink is full. It is to be tried again by then, if at any time.
    Full(Option<Instant>),
    /// Its sink may block.
    MayBlock,
    /// There were too many before it.
    Many,
}

impl Line {
    pub(crate) fn new(ring: Arc<Ring>) -> Arc<Self> {
        Arc::new(Self {
            delivery: Delivery::new(ring),
            handover: Handover::new(),
            places: Semaphore::new(PLACES),
            hand_in: HandIn::default(),
        })
    }

    pub(crate) const fn ring(&self) -> &Arc<Ring> {
        self.delivery.ring()
    }

    /// Shows an event to the legacy channel and to every subscriber, past the line. It was emitted
    /// `at`, or is now.
    pub(crate) fn broadcast(
        &self,
        legacy: Option<&Legacy>,
        shown: (Event, Meta),
        at: Option<DateTime<Utc>>,
    ) -> u64 {
        self.delivery
            .broadcast(legacy, shown, at, None, Origin::UNKNOWN)
    }

    /// Gives back the room that nothing is in now.
    pub(crate) fn shrink(&self) {
        self.handover.shrink();
        self.delivery.shrink();
    }

    /// Whether this thread is inside a sink of this line.
    pub(crate) fn is_held_here(&self) -> bool {
        self.handover.is_held_here()
    }

    /// Whether so many audit records are in line that one for a sink that is no log should not be.
    pub(crate) fn is_crowded(&self) -> bool {
        self.delivery.is_crowded()
    }

    /// Hands a parcel to its sink, by a thread that blocks until it is delivered: it waits for its turn, and
    /// for a sink that may block. It can [help](Helper::help) the sink then.
    pub(crate) fn send(self: &Arc<Self>, parcel: Parcel) -> Option<Helper> {
        let offer = |parcel: &mut Parcel| parcel.offer(Wait::InSubmit);
        let place = |parcel, ticket| self.take(parcel, ticket);
        let taken = self.handover.send(parcel, offer, place);
        let helper = taken.and_then(|taken| self.watch(taken));
        self.pump();
        helper
    }

    /// Hands a parcel in if that can be done at once, or leaves it for others, without waiting. Gives it back if
    /// too many wait before it.
    pub(crate) fn drop_off(self: &Arc<Self>, parcel: Parcel) -> Result<(), Box<Parcel>> {
        let Some(mut parcel) = self.pass(parcel) else {
            return Ok(());
        };
        let places = parcel.claim_places(PLACES);
        match self.places.try_acquire_many(places) {
            Ok(permits) => permits.forget(),
            Err(_) => return Err(Box::new(parcel)),
        }
        self.defer(parcel);
        Ok(())
    }

    /// As [`drop_off`](Self::drop_off), for a task, which waits for its place. Dropped before, it hands
    /// nothing in.
    pub(crate) async fn publish(self: &Arc<Self>, parcel: Parcel) {
        let Some(mut parcel) = self.pass(parcel) else {
            return;
        };
        let places = parcel.claim_places(PLACES);
        // It is never closed.
        if let Ok(permits) = self.places.acquire_many(places).await {
            permits.forget();
        }
        self.defer(parcel);
    }

    /// As [`drop_off`](Self::drop_off), for what needs no bound.
    pub(crate) fn leave(self: &Arc<Self>, parcel: Parcel) {
        if let Some(parcel) = self.pass(parcel) {
            self.defer(parcel);
        }
    }

    /// Leaves word that a record of `sinks` was lost behind all that were left before: however many are,
    /// one after the other, they take one place.
    pub(crate) fn leave_lost(self: &Arc<Self>, sinks: &Arc<Sinks>) {
        if !self.handover.change_last(|last| last.adds_lost(sinks)) {
            self.leave(Parcel::lost(sinks));
        }
    }

    /// Hands a parcel in, if nobody is in its way.
    fn pass(self: &Arc<Self>, parcel: Parcel) -> Option<Parcel> {
        let offer = |parcel: &mut Parcel| parcel.offer(Wait::Never(Waker::noop()));
        let place = |parcel, ticket| self.take(parcel, ticket);
        let left = match self.handover.pass(parcel, offer, place) {
            Passed::InTheWay(parcel) => return Some(parcel),
            Passed::Refused(parcel) => Some(parcel),
            Passed::Taken(taken) => {
                // Nobody here waits for it: its sink is to see to it elsewhere.
                drop(self.watch(taken));
                None
            }
        };
        self.pump();
        left
    }

    /// Puts a parcel behind all others.
    fn defer(self: &Arc<Self>, parcel: Parcel) {
        // A mark in place of a mark: neither takes a place of those that there are.
        let replaces = |parcel: &Parcel, last: &Parcel| last.gives_way_to(parcel);
        if self.handover.defer(parcel, replaces) {
            self.pump();
        }
    }

    /// Hands in what was deferred, unless another thread does so or will. Whoever had `order` has to do
    /// this, as others then relied on them.
    fn pump(self: &Arc<Self>) {
        if let Some(stuck) = self.pump_by(Wait::Never(Waker::noop())) {
            self.leave_to_others(&stuck);
        }
    }

    /// The same, by a caller that waits as long as it says. Says why there is something left to do.
    fn pump_by(self: &Arc<Self>, wait: Wait<'_>) -> Option<Stuck> {
        for _ in 0..AT_ONCE {
            match self.take_next(wait) {
                // Whoever has the order looks again.
                Next::Nothing | Next::SeenTo => return None,
                Next::Refused(stuck) => return Some(stuck),
                Next::Taken((taken, places)) => self.go_on(taken, places),
            }
        }
        Some(Stuck::Many)
    }

    /// Finds a thread for what this one must not do.
    fn leave_to_others(self: &Arc<Self>, stuck: &Stuck) {
        let called = match stuck {
            Stuck::Full(_) | Stuck::Many => waiter::call(self),
            Stuck::MayBlock => self.hand_in.call(self),
        };
        if called {
            return;
        }
        if must_not_wait() {
            // The sink may need this thread: what it can't hand in without waiting is left to who comes next.
            let mut is_stuck = !matches!(stuck, Stuck::Many);
            while !is_stuck {
                match self.pump_by(Wait::Never(Waker::noop())) {
                    None => return,
                    Some(stuck) => is_stuck = !matches!(stuck, Stuck::Many),
                }
            }
            self.handover.leave();
        } else {
            // There is no thread to be had: rather wait here than for good.
            while let Some(Stuck::Many) = self.pump_by(Wait::ForRoom) {}
        }
    }

    /// Hands in the first that was deferred, if there is one. Says how many places it had. One at a time: none waits
    /// until the sink has taken those behind it as well.
    fn take_next(&self, wait: Wait<'_>) -> Next<(Taken, usize), Stuck> {
        let offer = |parcel: &mut Parcel| {
            let offered = parcel.offer(wait);
            offered.map_err(|why| match why {
                NotTaken::Full => Stuck::Full(parcel.deadline()),
                NotTaken::MayBlock => Stuck::MayBlock,
            })
        };
        let place = |parcel: Parcel, ticket| {
            let places = parcel.places();
            (self.take(parcel, ticket), places)
        };
        self.handover.next(offer, place)
    }

    /// Does what is left to do once it was handed in.
    fn go_on(self: &Arc<Self>, taken: Taken, places: usize) {
        if places > 0 {
            // Wakers run in there.
            let give_back = || reentrancy::delivering(|| self.places.add_permits(places));
            let _ = catch_unwind(AssertUnwindSafe(give_back));
        }
        // Nobody here waits for it: its sink is to see to it elsewhere.
        drop(self.watch(taken));
    }

    /// Puts what its sink has taken in its place. The caller holds `order`, so that who gets it next knows that the
    /// parcel has let go of its sinks, unless they are nobody's any more.
    fn take(&self, parcel: Parcel, ticket: Ticket) -> Taken {
        let (cargo, left) = parcel.open();
        Taken {
            stands: self.delivery.place(cargo),
            ticket,
            left,
        }
    }

    /// Sees to it that a parcel is delivered once its ticket tells how it ended. The callback holds
    /// the line but no sink: it may run on the sink's own thread, which must not be the one to drop
    /// (and join) it.
    fn watch(self: &Arc<Self>, taken: Taken) -> Option<Helper> {
        let Taken {
            stands,
            ticket,
            left,
        } = taken;
        if let Some(sinks) = left {
            let_go(sinks);
        }
        let place = self.delivery.stand(stands)?;
        if ticket.is_told() {
            self.delivery.settle(place, told(ticket));
            return None;
        }
        let line = Arc::clone(self);
        Some(ticket.on_ready_helping(move |outcome| line.delivery.settle(place, outcome)))
    }
}

/// Drops sinks that nobody holds any more, as of a bus that was dropped within a delivery. That may join a thread which
/// hangs in its log, so that this one, which others wait for, is not to do it.
pub(crate) fn let_go(sinks: Sinks) {
    let thread = thread::Builder::new().name("bus-let-go".into());
    // Where there is no thread to be had, they are dropped in here; what is dropped is somebody else's.
    let _ = catch_unwind(AssertUnwindSafe(|| {
        thread.spawn(move || drop(sinks)).is_ok()
    }));
}

/// A sink may hand over a ticket that was asked already, which panics: the sink has failed.
fn told(ticket: Ticket) -> TicketOutcome {
    catch_unwind(AssertUnwindSafe(|| ticket.wait())).unwrap_or_else(|panic| Err(panicked(panic)))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
