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

mod parcel;
mod thread;

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};
use std::task::{Context, Poll, Waker};

use bus_core::{DateTime, Event, Ticket, TicketOutcome, Utc};

use crate::Envelope;
use crate::legacy::Legacy;
use crate::order::{Pending, Place};
use crate::receipt::ordinal_of;
use crate::ring::Ring;
use crate::sinks::{Sinks, panicked};
use crate::speak::warn_not_durable;
use crate::wait::{Delivered, Teller};

pub(crate) use parcel::{Addressee, Cargo, Parcel};
pub(crate) use thread::delivers;

/// How many audit records may wait for a sink that is busy: as many as `bus-log` queues.
const MOST_DEFERRED: usize = 65_536;

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
    place: Place,
    ticket: Ticket,
    sinks: Option<Arc<Sinks>>,
    /// Who waits for no more than that.
    taken: Option<Teller>,
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

    /// Shows an event to the legacy channel and to every subscriber, past the line.
    pub(crate) fn broadcast(
        &self,
        legacy: Option<&Legacy>,
        event: Event,
        at: DateTime<Utc>,
        ordinal: Option<u64>,
    ) -> u64 {
        if let Some(legacy) = legacy {
            legacy.send(&event);
        }
        self.ring.push(Envelope::new(event, at, ordinal))
    }

    /// Whether this thread is inside a sink of this line.
    pub(crate) fn is_held_here(&self) -> bool {
        self.holder.is_me()
    }

    /// Hands a parcel to its sink. Waits for its turn, and for the sink to take it.
    pub(crate) fn send(self: &Arc<Self>, parcel: Parcel) {
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
        self.watch(own);
        self.pump();
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

    /// Whether so many wait already that an audit record should not.
    pub(crate) fn is_crowded(&self) -> bool {
        lock(&self.deferred).len() >= MOST_DEFERRED
    }

    /// Hands what was deferred to its sinks, unless another thread is doing so or will: it looks
    /// again once it has let go of `order`.
    pub(crate) fn pump(self: &Arc<Self>) {
        while !lock(&self.deferred).is_empty() {
            let order = match self.order.try_lock() {
                Ok(order) => order,
                Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
                Err(TryLockError::WouldBlock) => return,
            };
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
            self.watch(taken);
        }
        any
    }

    /// The caller holds `order`.
    fn take(&self, parcel: Parcel) -> Taken {
        let Parcel { sinks, mut cargo } = parcel;
        let ticket = match (&sinks, &cargo) {
            (Some(sinks), Cargo::Event { event, to, .. }) => sinks.submit(event.clone(), to),
            _ => Ticket::ready(cargo.outcome_of_mark()),
        };
        let taken = match &mut cargo {
            Cargo::HandedIn(to) => to.take(),
            _ => None,
        };
        let place = lock(&self.queue).pending.push(cargo);
        Taken {
            place,
            ticket,
            sinks,
            taken,
        }
    }

    /// Sees to it that a parcel is delivered once its ticket tells how it ended. The callback holds
    /// the line but no sink: it may run on the sink's own thread, which must not be the one to drop
    /// (and join) it.
    fn watch(self: &Arc<Self>, taken: Taken) {
        if let Some(to) = taken.taken {
            let outcome = Ok(None);
            // Its waker may panic.
            let tell = || Addressee::Emitter(to).tell(Delivered { seq: 0, outcome });
            let _ = catch_unwind(AssertUnwindSafe(tell));
        }
        let mut ticket = taken.ticket;
        // A sink may hand over a ticket that has told already, which panics: the sink has failed.
        let told = catch_unwind(AssertUnwindSafe(|| {
            pin!(&mut ticket).poll(&mut Context::from_waker(Waker::noop()))
        }))
        .unwrap_or_else(|panic| Poll::Ready(Err(panicked(panic))));
        if let Some(sinks) = &taken.sinks {
            sinks.saw(told.is_ready());
        }
        match told {
            Poll::Ready(outcome) => self.settle(taken.place, outcome),
            Poll::Pending => {
                let line = Arc::clone(self);
                let place = taken.place;
                ticket.on_ready(move |outcome| line.settle(place, outcome));
            }
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
                legacy,
                to,
            } => {
                let ordinal = ordinal_of(&outcome);
                let seq = self.broadcast(legacy.as_deref(), event, at, ordinal);
                to.tell(Delivered { seq, outcome });
            }
            Cargo::Flush { to, .. } => {
                let outcome = Ok(None);
                to.tell(Delivered { seq: 0, outcome });
            }
            Cargo::HandedIn(_) => {}
            Cargo::Close => self.ring.close(),
        }
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
