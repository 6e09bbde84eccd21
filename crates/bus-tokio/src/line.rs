//! The line that all durable events of a bus stand in, from the sink to the subscribers.
//!
//! Three locks, none of which is held while anybody else's code runs but the first, by the sink:
//!
//! - `order` is held while a sink takes an event and the event gets its place in the queue. That is
//!   what makes the order of the broadcast the order of the sink.
//! - `deferred` holds what was handed in by callers that must not wait for `order`. Whoever has
//!   `order`, or gets it next, takes care of them.
//! - `queue` holds what sinks have taken. Whoever settles the first of it delivers what has settled,
//!   one thread at a time, with the lock released.

mod elsewhere;
mod parcel;
mod thread;

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};

use bus_core::{DateTime, Event, Helper, Ticket, TicketOutcome, Utc};

use crate::envelope::Origin;
use crate::legacy::Legacy;
use crate::order::{Pending, Place};
use crate::receipt::ordinal_of;
use crate::ring::Ring;
use crate::sinks::{Sinks, panicked};
use crate::speak::warn_not_durable;
use crate::wait::{Delivered, Teller};

pub(crate) use elsewhere::pump_on_pool;
pub(crate) use parcel::{Addressee, Cargo, Parcel};
pub(crate) use thread::delivers;

/// How many may wait for a sink that is busy before an audit record no longer does: as many as
/// `bus-log` queues.
const MOST_DEFERRED: usize = 65_536;

/// How many may wait to be told before an audit record no longer waits for its turn to be seen. A log
/// that is down keeps its records, within its own bound; they need not all be kept here as well.
const MOST_PENDING: usize = 65_536;

pub(crate) struct Line {
    ring: Arc<Ring>,
    order: Mutex<()>,
    holder: thread::Holder,
    deferred: Mutex<VecDeque<Parcel>>,
    queue: Mutex<Queue>,
}

struct Queue {
    pending: Pending<Cargo, TicketOutcome>,
    /// Some thread is delivering, and will come to whatever settles meanwhile.
    delivering: bool,
}

/// A parcel that its sink has taken.
struct Taken {
    stands: Stands,
    ticket: Ticket,
    sinks: Option<Arc<Sinks>>,
}

/// Where a parcel waits to be delivered.
enum Stands {
    In(Place),
    /// It does not: too many do. It is an audit record.
    Past(Cargo),
    /// There is nothing to deliver, but to tell whoever waits for no more than that it was taken.
    Nowhere(Option<Teller>),
}

impl Line {
    pub(crate) fn new(ring: Arc<Ring>) -> Arc<Self> {
        Arc::new(Self {
            ring,
            order: Mutex::new(()),
            holder: thread::Holder::default(),
            deferred: Mutex::default(),
            queue: Mutex::new(Queue {
                pending: Pending::new(),
                delivering: false,
            }),
        })
    }

    pub(crate) const fn ring(&self) -> &Arc<Ring> {
        &self.ring
    }

    /// Shows an event to the legacy channel and to every subscriber, past the line. It was emitted
    /// `at`, or is now.
    #[inline(never)] // Inlined, it makes an `emit` vary by a third with where its frame happens to lie.
    pub(crate) fn broadcast(
        &self,
        legacy: Option<&Legacy>,
        event: Event,
        at: Option<DateTime<Utc>>,
        ordinal: Option<u64>,
        origin: Origin,
    ) -> u64 {
        if let Some(legacy) = legacy {
            legacy.send(&event);
        }
        self.ring.push(event, at, ordinal, origin)
    }

    /// Gives back the room that nothing is in now.
    pub(crate) fn shrink(&self) {
        let mut deferred = lock(&self.deferred);
        if deferred.is_empty() {
            deferred.shrink_to_fit();
        }
        drop(deferred);
        lock(&self.queue).pending.shrink();
        self.ring.shrink();
    }

    /// Whether this thread is inside a sink of this line.
    pub(crate) fn is_held_here(&self) -> bool {
        self.holder.is_me()
    }

    /// Hands a parcel to its sink. Waits for its turn, and for the sink to take it. Whoever blocks
    /// until it is delivered can [help](Helper::help) the sink first.
    pub(crate) fn send(self: &Arc<Self>, parcel: Parcel) -> Option<Helper> {
        // What was left before goes first. What others take of it they take before this too.
        let earlier = lock(&self.deferred).len();
        for _ in 0..earlier {
            if !self.take_next(lock(&self.order)) {
                break;
            }
        }
        let order = lock(&self.order);
        let held = self.holder.hold();
        let own = self.take(parcel);
        drop((held, order));
        let helper = self.watch(own);
        self.pump();
        helper
    }

    /// Leaves a parcel for [`pump`](Self::pump), behind all that were left before. False if there
    /// were any: whoever left them sees to this one too.
    pub(crate) fn defer(&self, parcel: Parcel) -> bool {
        let mut deferred = lock(&self.deferred);
        deferred.push_back(parcel);
        deferred.len() == 1
    }

    /// As [`defer`](Self::defer), and hands it in, unless others left theirs before: a sink may take
    /// its time for those, and the caller has none.
    pub(crate) fn leave(self: &Arc<Self>, parcel: Parcel) {
        if self.defer(parcel) {
            self.pump();
        }
    }

    /// As [`leave`](Self::leave), for a parcel that nobody may be kept waiting for: what others left behind
    /// it, for sinks that take their time, is handed in elsewhere.
    pub(crate) fn drop_off(self: &Arc<Self>, parcel: Parcel) {
        if self.defer(parcel) {
            self.pump_while(|next| !next.may_block());
        }
    }

    /// Whether so many wait already that an audit record should not.
    pub(crate) fn is_crowded(&self) -> bool {
        lock(&self.deferred).len() >= MOST_DEFERRED
    }

    /// Leaves word that a record of `sinks` was lost behind all that were left before: however many are,
    /// one after the other, they take one place.
    pub(crate) fn leave_lost(self: &Arc<Self>, sinks: &Arc<Sinks>) {
        if let Some(Parcel {
            sinks: Some(last),
            cargo: Cargo::Lost(records),
        }) = lock(&self.deferred).back_mut()
            && Arc::ptr_eq(last, sinks)
        {
            *records += 1;
            return;
        }
        self.drop_off(Parcel {
            sinks: Some(Arc::clone(sinks)),
            cargo: Cargo::Lost(1),
        });
    }

    /// Hands what was deferred to its sinks, unless another thread is doing so or will: it looks
    /// again once it has let go of `order`.
    pub(crate) fn pump(self: &Arc<Self>) {
        self.pump_while(|_| true);
    }

    /// The same as long as the next in line is for this thread to hand in; the rest is for another.
    fn pump_while(self: &Arc<Self>, is_mine: impl Fn(&Parcel) -> bool) {
        while !lock(&self.deferred).is_empty() {
            let order = match self.order.try_lock() {
                Ok(order) => order,
                Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
                Err(TryLockError::WouldBlock) => return,
            };
            // Only who has `order` takes from there.
            if lock(&self.deferred)
                .front()
                .is_some_and(|next| !is_mine(next))
            {
                drop(order);
                elsewhere::pump(self);
                return;
            }
            self.take_next(order);
        }
    }

    /// Hands in the first that was deferred, if there is one. One at a time: none waits until the
    /// sink has taken those behind it as well.
    fn take_next(self: &Arc<Self>, order: MutexGuard<'_, ()>) -> bool {
        let held = self.holder.hold();
        let next = lock(&self.deferred).pop_front();
        let taken = next.map(|parcel| self.take(parcel));
        drop((held, order));
        let any = taken.is_some();
        if let Some(taken) = taken {
            // Nobody here waits for it: its sink is to see to it elsewhere.
            drop(self.watch(taken));
        }
        any
    }

    /// The caller holds `order`.
    fn take(&self, parcel: Parcel) -> Taken {
        let Parcel { sinks, cargo } = parcel;
        let ticket = match (&sinks, &cargo) {
            (Some(sinks), Cargo::Event { event, at, to, .. }) => {
                sinks.submit(event.clone(), *at, to)
            }
            (Some(sinks), Cargo::Lost(records)) => {
                sinks.lose(*records);
                Ticket::ready(Ok(None))
            }
            _ => Ticket::ready(cargo.outcome_of_mark()),
        };
        let stands = match cargo {
            Cargo::HandedIn(to) => Stands::Nowhere(Some(to)),
            Cargo::Lost(_) => Stands::Nowhere(None),
            cargo => {
                let mut queue = lock(&self.queue);
                if queue.pending.len() >= MOST_PENDING && !cargo.is_awaited() {
                    Stands::Past(cargo)
                } else {
                    Stands::In(queue.pending.push(cargo))
                }
            }
        };
        Taken {
            stands,
            ticket,
            sinks,
        }
    }

    /// Sees to it that a parcel is delivered once its ticket tells how it ended. The callback holds
    /// the line but no sink: it may run on the sink's own thread, which must not be the one to drop
    /// (and join) it.
    fn watch(self: &Arc<Self>, taken: Taken) -> Option<Helper> {
        let ticket = taken.ticket;
        let told = ticket.is_told();
        if let Some(sinks) = &taken.sinks {
            sinks.saw(told);
        }
        let place = match taken.stands {
            Stands::In(place) => place,
            Stands::Past(record) => {
                // Those before it are seen first, as far as nobody waits for what becomes of them.
                self.see_early();
                let deliver = || self.deliver(record, Ok(None));
                let _ = catch_unwind(AssertUnwindSafe(|| thread::delivering(deliver)));
                return None;
            }
            Stands::Nowhere(to) => {
                let outcome = Ok(None);
                let tell = || Addressee::from(to).tell(Delivered { seq: 0, outcome });
                // Its waker may panic.
                let _ = catch_unwind(AssertUnwindSafe(tell));
                return None;
            }
        };
        if told {
            // A sink may hand over a ticket that was asked already, which panics: the sink has failed.
            let outcome = catch_unwind(AssertUnwindSafe(|| ticket.wait()))
                .unwrap_or_else(|panic| Err(panicked(panic)));
            self.settle(place, outcome);
            return None;
        }
        let line = Arc::clone(self);
        Some(ticket.on_ready_helping(move |outcome| line.settle(place, outcome)))
    }

    /// Delivers the audit records at the front of the queue, whatever becomes of them.
    fn see_early(&self) {
        let mut queue = lock(&self.queue);
        if queue
            .pending
            .first()
            .is_some_and(|first| !first.is_awaited())
        {
            queue.pending.settle_all(Cargo::seen_early);
            self.deliver_settled(queue);
        }
    }

    /// Notes how a parcel ended, and delivers whatever is first in line and has ended.
    fn settle(&self, place: Place, outcome: TicketOutcome) {
        let mut queue = lock(&self.queue);
        let given_up = outcome.is_err();
        if given_up && queue.pending.get(place).is_some_and(Cargo::is_awaited) {
            // Audit records that the log took before it may be retried for hours. They are seen
            // now, without an ordinal, and hold up nobody.
            queue.pending.settle_before(place, Cargo::seen_early);
        }
        queue.pending.settle(place, outcome);
        self.deliver_settled(queue);
    }

    /// Delivers from the front of the queue what has settled, unless another thread is doing so.
    fn deliver_settled<'a>(&'a self, mut queue: MutexGuard<'a, Queue>) {
        if queue.delivering {
            return;
        }
        while let Some((cargo, outcome)) = queue.pending.pop_settled() {
            queue.delivering = true;
            drop(queue);
            // Wakers and tracing subscribers run in there. If one panics, those in line behind it
            // must still be delivered.
            let _ = catch_unwind(AssertUnwindSafe(|| {
                thread::delivering(|| self.deliver(cargo, outcome));
            }));
            queue = lock(&self.queue);
        }
        queue.delivering = false;
    }

    fn deliver(&self, cargo: Cargo, outcome: TicketOutcome) {
        match cargo {
            Cargo::Event {
                event,
                at,
                origin,
                legacy,
                to,
            } => {
                let ordinal = ordinal_of(&outcome);
                let seq = self.broadcast(legacy.as_deref(), event, Some(at), ordinal, origin);
                to.tell(Delivered { seq, outcome });
            }
            Cargo::Flush { to, .. } => {
                let outcome = Ok(None);
                to.tell(Delivered { seq: 0, outcome });
            }
            // Taken is all they are: they take no place.
            Cargo::HandedIn(_) | Cargo::Lost(_) => {}
            Cargo::Close => self.ring.close(),
        }
    }
}

impl From<Option<Teller>> for Addressee {
    fn from(to: Option<Teller>) -> Self {
        to.map_or(Self::Nobody, Self::Emitter)
    }
}

impl Addressee {
    fn tell(self, delivered: Delivered) {
        let unheard = match self {
            Self::Emitter(teller) => Teller::tell(teller, delivered),
            Self::Nobody => Some(delivered),
            // What was not kept is counted there, and noted in the log itself.
            Self::Books => return,
        };
        if let Some(Delivered {
            seq,
            outcome: Err(error),
        }) = unheard
        {
            warn_not_durable(seq, &error);
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
