//! What sinks have taken, in their order, on its way to the subscribers.
//!
//! Whoever settles the first of it delivers what has settled, one thread at a time, with no lock held.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard};

use bus_core::{DateTime, Event, Meta, TicketOutcome, Utc};

use super::parcel::{Addressee, Cargo};
use super::{lock, reentrancy};
use crate::delivered::{Delivered, Teller};
use crate::envelope::Origin;
use crate::legacy::Legacy;
use crate::pending::{Pending, Place};
use crate::receipt::ordinal_of;
use crate::ring::Ring;
use crate::warn::warn_not_durable;

/// How many events may wait for their turn before audit records no longer do. A log that is down keeps its
/// records, within its own bound; they need not all be kept here as well.
const MOST: usize = if cfg!(test) { 64 } else { 65_536 };

/// Bytes of those records from which on it is the same.
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
    /// Audit records that do not wait for the events in line, in their order: each with the place behind all
    /// that was in line when it came. Where nobody waits for what is first in line, it is not passed.
    passing: VecDeque<(Place, Cargo)>,
    /// All these.
    all: Load,
    /// Those of them that are only to be delivered: what was passed in `pending`.
    passed: Load,
    /// What those take that were refused since others were last seen for it.
    refused: usize,
    /// Some thread is delivering, and will come to whatever settles meanwhile.
    delivering: bool,
}

/// How many events there are, how many of them are audit records, and about what those take. Marks are no load.
#[derive(Clone, Copy)]
struct Load {
    events: usize,
    records: usize,
    record_bytes: usize,
}

/// Where a parcel waits to be delivered.
pub(super) enum Stands {
    In(Place),
    /// There too, as one too many.
    TooMany(Place),
    /// It does not: too many do. It is an audit record, and passes those that somebody waits for.
    Past,
    /// It does not: twice as many do, or are not delivered because a delivery takes its time.
    FarPast(Cargo),
    /// There is nothing to deliver, but to tell whoever waits for no more than that it was taken.
    Nowhere(Option<Teller>),
}

impl Load {
    const NONE: Self = Self {
        events: 0,
        records: 0,
        record_bytes: 0,
    };

    const fn of(cargo: &Cargo) -> Self {
        match (cargo, cargo.record_bytes()) {
            (_, Some(record_bytes)) => Self {
                events: 1,
                records: 1,
                record_bytes,
            },
            (Cargo::Event { .. }, None) => Self {
                events: 1,
                ..Self::NONE
            },
            _ => Self::NONE,
        }
    }

    const fn with(self, other: Self) -> Self {
        Self {
            events: self.events + other.events,
            records: self.records + other.records,
            record_bytes: self.record_bytes + other.record_bytes,
        }
    }

    const fn without(self, other: Self) -> Self {
        Self {
            events: self.events - other.events,
            records: self.records - other.records,
            record_bytes: self.record_bytes - other.record_bytes,
        }
    }

    /// Whether one more is too many.
    const fn is_full(self) -> bool {
        self.events >= MOST || self.record_bytes >= MOST_BYTES
    }

    /// Whether the records alone are so many `times` as many as may be.
    const fn is_full_of_records(self, times: usize) -> bool {
        self.records >= times * MOST || self.record_bytes >= times * MOST_BYTES
    }

    const fn is_too_much(self) -> bool {
        self.events > MOST || self.record_bytes > MOST_BYTES
    }
}

impl Queue {
    /// Goes past what is first in line and has settled.
    fn pass_settled(&mut self) {
        while let Some(cargo) = self.pending.pass_settled() {
            self.passed = self.passed.with(Load::of(cargo));
        }
    }

    /// Those that are not merely to be delivered, once what has settled was passed.
    const fn waiting(&self) -> Load {
        self.all.without(self.passed)
    }

    /// Whether the first that has not settled, once the others were passed, is one that somebody waits for: it
    /// can't be seen early.
    fn is_blocked(&self) -> bool {
        self.pending.next_unpassed().is_some_and(Cargo::is_awaited)
    }

    /// Settles the oldest audit records, as many as are too many.
    fn relieve(&mut self) {
        loop {
            self.pass_settled();
            if !self.waiting().is_too_much() {
                return;
            }
            let first = self.pending.next_unpassed();
            let Some(outcome) = first.and_then(Cargo::seen_early) else {
                return;
            };
            self.pending.settle_next_unpassed(outcome);
        }
    }

    /// The next to be delivered.
    fn pop(&mut self) -> Option<(Cargo, TicketOutcome)> {
        self.pass_settled();
        let waits = !self.pending.has_passed_first();
        let passes = |(place, _): &(Place, Cargo)| {
            *place <= self.pending.first_place() || (waits && self.is_blocked())
        };
        if self.passing.front().is_some_and(passes)
            && let Some((_, record)) = self.passing.pop_front()
        {
            self.all = self.all.without(Load::of(&record));
            return Some((record, Ok(None)));
        }
        let (cargo, outcome) = self.pending.pop_settled()?;
        let load = Load::of(&cargo);
        self.all = self.all.without(load);
        self.passed = self.passed.without(load);
        if outcome.is_err() {
            self.refused = self.refused.saturating_sub(load.record_bytes);
        }
        Some((cargo, outcome))
    }

    /// Has `cargo` stand where the last in line does, if that is of no use to anybody any more.
    #[expect(
        clippy::result_large_err,
        reason = "it is handed back as it came, to be left elsewhere"
    )]
    fn replace_last(&mut self, cargo: Cargo) -> Result<Place, Cargo> {
        match self.pending.last_mut() {
            // Not where a record that passes the line came in between.
            Some((place, last))
                if last.gives_way_to(&cargo)
                    && self
                        .passing
                        .back()
                        .is_none_or(|(behind, _)| *behind <= place) =>
            {
                *last = cargo;
                Ok(place)
            }
            _ => Err(cargo),
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
                all: Load::NONE,
                passed: Load::NONE,
                refused: 0,
                delivering: false,
            }),
        }
    }

    pub(super) const fn ring(&self) -> &Arc<Ring> {
        &self.ring
    }

    /// Whether so many audit records are in line that one for a sink that is no log should not be.
    pub(super) fn is_crowded(&self) -> bool {
        lock(&self.queue).all.is_full_of_records(1)
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
        (event, meta): (Event, Meta),
        at: Option<DateTime<Utc>>,
        ordinal: Option<u64>,
        origin: Origin,
    ) -> u64 {
        if let Some(legacy) = legacy {
            legacy.send(&event);
        }
        self.ring.push(event, meta, at, ordinal, origin)
    }

    /// Puts what a sink has taken behind all that was taken before.
    pub(super) fn place(&self, cargo: Cargo) -> Stands {
        let cargo = match cargo {
            Cargo::HandedIn(to) => return Stands::Nowhere(Some(to)),
            Cargo::Lost(_) => return Stands::Nowhere(None),
            cargo => cargo,
        };
        let mut queue = lock(&self.queue);
        let cargo = match queue.replace_last(cargo) {
            Ok(place) => return Stands::In(place),
            Err(cargo) => cargo,
        };
        let is_awaited = cargo.is_awaited();
        if !is_awaited && queue.all.is_full_of_records(2) {
            return Stands::FarPast(cargo);
        }
        queue.pass_settled();
        let too_many = !is_awaited && queue.waiting().is_full();
        queue.all = queue.all.with(Load::of(&cargo));
        // Behind others that pass the line it does not overtake them.
        if too_many && (queue.is_blocked() || !queue.passing.is_empty()) {
            let place = queue.pending.next_place();
            queue.passing.push_back((place, cargo));
            return Stands::Past;
        }
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
                self.relieve();
                Some(place)
            }
            Stands::Past => {
                self.relieve();
                None
            }
            Stands::FarPast(record) => {
                self.deliver_safely(record, Ok(None));
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

    fn relieve(&self) {
        let mut queue = lock(&self.queue);
        queue.relieve();
        self.deliver_settled(queue);
    }

    /// Notes how a parcel ended, and delivers whatever is first in line and has ended.
    pub(super) fn settle(&self, place: Place, outcome: TicketOutcome) {
        let mut queue = lock(&self.queue);
        if outcome.is_err()
            && let Some(cargo) = queue.pending.unsettled(place)
        {
            let is_record = !cargo.is_awaited();
            let bytes = cargo.record_bytes().unwrap_or(0);
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
                meta,
                at,
                origin,
                legacy,
                to,
            } => {
                let ordinal = ordinal_of(&outcome);
                let shown = (event, meta);
                let seq = self.broadcast(legacy.as_deref(), shown, Some(at), ordinal, origin);
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
