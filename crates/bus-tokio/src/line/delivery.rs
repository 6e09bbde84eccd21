//! What sinks have taken, in their order, on its way to the subscribers.
//!
//! Whoever settles the first of it delivers what has settled, one thread at a time, with no lock held.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard};

use bus_core::{DateTime, Event, TicketOutcome, Utc};

use super::parcel::{Addressee, Cargo};
use super::{lock, reentrancy};
use crate::delivered::{Delivered, Teller};
use crate::envelope::Origin;
use crate::legacy::Legacy;
use crate::pending::{Pending, Place};
use crate::receipt::ordinal_of;
use crate::ring::Ring;
use crate::warn::warn_not_durable;

/// How many may wait to be told before audit records no longer wait for their turn to be seen. A log
/// that is down keeps its records, within its own bound; they need not all be kept here as well.
const MOST: usize = 65_536;

/// Bytes of the audit records among them from which on it is the same.
const MOST_BYTES: usize = 64 << 20;

/// Bytes of records that the log has refused, and that wait for those before them, from which on those do
/// not wait for their ordinals any more.
const MOST_REFUSED: usize = 1 << 20;

pub(super) struct Delivery {
    ring: Arc<Ring>,
    queue: Mutex<Queue>,
}

struct Queue {
    pending: Pending<Cargo, TicketOutcome>,
    /// Audit records that are seen without waiting for those in line, in their order.
    passing: VecDeque<Cargo>,
    /// What the audit records among them take.
    bytes: usize,
    /// What those take that were refused since others were last seen for it.
    refused: usize,
    /// Some thread is delivering, and will come to whatever settles meanwhile.
    delivering: bool,
}

/// Where a parcel waits to be delivered.
pub(super) enum Stands {
    In(Place),
    /// There too, as one too many.
    TooMany(Place),
    /// It does not: too many do. It is an audit record, and passes the line.
    Past,
    /// There is nothing to deliver, but to tell whoever waits for no more than that it was taken.
    Nowhere(Option<Teller>),
}

impl Queue {
    fn is_crowded(&self) -> bool {
        self.pending.len() >= MOST || self.bytes >= MOST_BYTES
    }

    /// Whether the first in line is one that somebody waits for: it can't be seen early.
    fn is_blocked(&self) -> bool {
        self.pending.first().is_some_and(Cargo::is_awaited)
    }

    /// Settles the oldest audit records, as many as are too many.
    fn relieve(&mut self) {
        let (mut len, mut bytes) = (self.pending.len(), self.bytes);
        self.pending.settle_while(|cargo| {
            if len <= MOST && bytes <= MOST_BYTES {
                return None;
            }
            len -= 1;
            bytes -= cargo.record_bytes();
            cargo.seen_early()
        });
    }

    /// The next to be delivered.
    fn pop(&mut self) -> Option<(Cargo, TicketOutcome)> {
        loop {
            if let Some((cargo, outcome)) = self.pending.pop_settled() {
                let bytes = cargo.record_bytes();
                self.bytes -= bytes;
                if outcome.is_err() {
                    self.refused = self.refused.saturating_sub(bytes);
                }
                return Some((cargo, outcome));
            }
            let record = self.passing.pop_front()?;
            if self.is_blocked() {
                return Some((record, Ok(None)));
            }
            // What it was to pass is through. Those before it are records, and it comes after them.
            self.bytes += record.record_bytes();
            let place = self.pending.push(record);
            self.pending.settle(place, Ok(None));
            self.relieve();
        }
    }
}

impl Delivery {
    pub(super) const fn new(ring: Arc<Ring>) -> Self {
        Self {
            ring,
            queue: Mutex::new(Queue {
                pending: Pending::new(),
                passing: VecDeque::new(),
                bytes: 0,
                refused: 0,
                delivering: false,
            }),
        }
    }

    pub(super) const fn ring(&self) -> &Arc<Ring> {
        &self.ring
    }

    pub(super) fn is_crowded(&self) -> bool {
        lock(&self.queue).is_crowded()
    }

    pub(super) fn shrink(&self) {
        let mut queue = lock(&self.queue);
        queue.pending.shrink();
        if queue.passing.is_empty() {
            queue.passing = VecDeque::new();
        }
        drop(queue);
        self.ring.shrink();
    }

    #[inline(never)] // Inlined, it makes an `emit` vary by a third with where its frame happens to lie.
    pub(super) fn broadcast(
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

    /// Puts what a sink has taken behind all that was taken before.
    pub(super) fn place(&self, cargo: Cargo) -> Stands {
        let cargo = match cargo {
            Cargo::HandedIn(to) => return Stands::Nowhere(Some(to)),
            Cargo::Lost(_) => return Stands::Nowhere(None),
            cargo => cargo,
        };
        let mut queue = lock(&self.queue);
        let too_many = !cargo.is_awaited() && queue.is_crowded();
        // Behind others that pass the line it does not overtake them.
        if too_many && (queue.is_blocked() || !queue.passing.is_empty()) {
            queue.passing.push_back(cargo);
            return Stands::Past;
        }
        queue.bytes += cargo.record_bytes();
        let place = queue.pending.push(cargo);
        if too_many {
            Stands::TooMany(place)
        } else {
            Stands::In(place)
        }
    }

    /// Delivers what does not wait, or makes room for what does. Says where it stands.
    pub(super) fn stand(&self, stands: Stands) -> Option<Place> {
        match stands {
            Stands::In(place) => Some(place),
            Stands::TooMany(place) => {
                let mut queue = lock(&self.queue);
                queue.relieve();
                self.deliver_settled(queue);
                Some(place)
            }
            Stands::Past => {
                self.deliver_settled(lock(&self.queue));
                None
            }
            Stands::Nowhere(None) => None,
            Stands::Nowhere(Some(to)) => {
                let outcome = Ok(None);
                let tell = || Addressee::Emitter(to).tell(Delivered { seq: 0, outcome });
                // Its waker may panic, and must not wait here for what this thread is to do.
                let _ = catch_unwind(AssertUnwindSafe(|| reentrancy::delivering(tell)));
                None
            }
        }
    }

    /// Notes how a parcel ended, and delivers whatever is first in line and has ended.
    pub(super) fn settle(&self, place: Place, outcome: TicketOutcome) {
        let mut queue = lock(&self.queue);
        if outcome.is_err()
            && let Some(cargo) = queue.pending.unsettled(place)
        {
            let is_record = !cargo.is_awaited();
            let bytes = cargo.record_bytes();
            if is_record {
                queue.refused += bytes;
            }
            // Audit records that the log took before it may be retried for hours. They are seen now,
            // without an ordinal, and hold up nobody; but for few who were refused.
            if !is_record || queue.refused > MOST_REFUSED {
                queue.refused = 0;
                queue.pending.settle_before(place, Cargo::seen_early);
            }
        }
        queue.pending.settle(place, outcome);
        self.deliver_settled(queue);
    }

    /// Delivers from the front of the queue what has settled, unless another thread is doing so.
    fn deliver_settled<'a>(&'a self, mut queue: MutexGuard<'a, Queue>) {
        if queue.delivering {
            return;
        }
        while let Some((cargo, outcome)) = queue.pop() {
            queue.delivering = true;
            drop(queue);
            self.deliver_safely(cargo, outcome);
            queue = lock(&self.queue);
        }
        queue.delivering = false;
    }

    /// Wakers and tracing subscribers run in there. If one panics, those in line behind it must still be
    /// delivered.
    fn deliver_safely(&self, cargo: Cargo, outcome: TicketOutcome) {
        let _ = catch_unwind(AssertUnwindSafe(|| {
            reentrancy::delivering(|| self.deliver(cargo, outcome));
        }));
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

impl Addressee {
    fn tell(self, delivered: Delivered) {
        let unheard = match self {
            Self::Emitter(teller) => Teller::tell(teller, delivered),
            Self::Nobody { .. } => Some(delivered),
            // What was not kept is counted there, and noted in the log itself.
            Self::AuditCounts { .. } => return,
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

#[cfg(test)]
mod tests;
