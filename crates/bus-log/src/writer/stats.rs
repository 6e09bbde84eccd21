//! What a writer has taken, and what became of it.

use std::task::Waker;

/// What became of the audit records of one [`LogWriter`](crate::LogWriter), all its clones and
/// sinks.
///
/// Events of the sink face are not in here: each has its ticket, which tells.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct AuditStats {
    /// Records that the writer was given, also those after `close`. What a bus holds back, because an
    /// emitter's event before it waits for the sink, is counted once it comes here.
    pub accepted: u64,
    /// Records that are in the log.
    pub written: u64,
    /// Records that are not. The log says so itself, by a
    /// [`GraphEvent::AuditGap`](crate::GraphEvent::AuditGap) where they would be, but for those that
    /// it could not be told of any more: made after `close`, or given up at its timeout.
    pub dropped: u64,
    /// Appends that were tried again, because the log was unavailable or busy, or because someone
    /// else had written to the thread.
    pub retried: u64,
}

/// Which face something came by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Face {
    Audit,
    Sink,
}

/// What the books say to one more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Admission {
    Taken,
    Full,
    Closed,
}

/// The books of one writer, but for the audit records under way, which its gate counts.
///
/// A *unit* is what flushes wait for: records and events that came to one key one after the other,
/// or a gap, that are not all settled. Units are counted by epoch. A flush begins a new epoch, once
/// the one before the present is settled, and is over when the one it ended is: so it waits for all
/// that was taken before it and, however much is taken meanwhile, for nothing after it.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    written: u64,
    dropped: u64,
    retried: u64,
    sink_open: usize,
    sink_bytes: usize,
    /// By the epoch's parity, as only two are ever open.
    units: [usize; 2],
    epoch: u64,
    closed: bool,
    given_up: bool,
    /// Who found no room for an event, and does not block until there is.
    waiting: Vec<Waker>,
}

/// What is settled by one append.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) written: usize,
    pub(super) dropped: usize,
    /// What those weigh.
    pub(super) audit_bytes: usize,
    pub(super) sink: usize,
    /// What those weigh.
    pub(super) sink_bytes: usize,
}

const fn parity(epoch: u64) -> usize {
    if epoch.is_multiple_of(2) { 0 } else { 1 }
}

impl Ledger {
    /// Lets an event in, unless `most` are, or `bytes` or more of it.
    pub(super) const fn admit_sink(
        &mut self,
        weight: usize,
        most: usize,
        bytes: usize,
    ) -> Admission {
        if self.closed {
            return Admission::Closed;
        }
        if self.is_full(most, bytes) {
            return Admission::Full;
        }
        self.sink_open += 1;
        self.sink_bytes += weight;
        Admission::Taken
    }

    /// Whether no event is let in now, of whatever weight, but one may be later.
    pub(super) const fn is_full(&self, most: usize, bytes: usize) -> bool {
        !self.closed && (self.sink_open >= most || self.sink_bytes >= bytes)
    }

    /// Has `room` woken, unless it is to be already, when there may be room.
    pub(super) fn await_room(&mut self, room: &Waker) {
        // Its clone is what was kept before: the same waker may look like another one, as `Waker::noop` does in
        // another part of the program.
        let room = room.clone();
        if !self.waiting.iter().any(|known| known.will_wake(&room)) {
            self.waiting.push(room);
        }
    }

    /// Who is to be woken, outside the lock: there may be room, or no more need to wait.
    pub(super) fn take_waiting(&mut self) -> Vec<Waker> {
        std::mem::take(&mut self.waiting)
    }

    /// Opens a unit of the present epoch, which it returns.
    pub(super) const fn open_unit(&mut self) -> u64 {
        self.units[parity(self.epoch)] += 1;
        self.epoch
    }

    /// True if somebody may have waited for this.
    pub(super) fn settle_unit(&mut self, epoch: u64) -> bool {
        if self.given_up {
            return false;
        }
        self.units[parity(epoch)] -= 1;
        self.units.contains(&0)
    }

    /// True if somebody may have waited for this.
    pub(super) const fn settle(&mut self, tally: &Tally) -> bool {
        if self.given_up {
            return false;
        }
        self.written += tally.written as u64;
        self.dropped += tally.dropped as u64;
        self.sink_open -= tally.sink;
        self.sink_bytes -= tally.sink_bytes;
        tally.sink > 0
    }

    /// Counts records that were never let in.
    pub(super) const fn refused(&mut self, records: u64) {
        self.dropped += records;
    }

    pub(super) const fn retried(&mut self) {
        self.retried += 1;
    }

    pub(super) const fn close(&mut self) {
        self.closed = true;
    }

    /// Counts what is still open, `records` of it audit records, as dropped. What comes of it later
    /// changes nothing any more.
    pub(super) const fn give_up(&mut self, records: u64) {
        self.dropped += records;
        self.sink_open = 0;
        self.sink_bytes = 0;
        self.units = [0, 0];
        self.given_up = true;
    }

    pub(super) const fn is_given_up(&self) -> bool {
        self.given_up
    }

    /// True if closing would have to wait.
    pub(super) const fn is_open(&self) -> bool {
        !self.given_up && (self.units[0] > 0 || self.units[1] > 0)
    }

    /// The stats, where `under_way` records are neither written nor dropped yet.
    pub(super) const fn stats(&self, under_way: u64) -> AuditStats {
        AuditStats {
            accepted: self.written + self.dropped + under_way,
            written: self.written,
            dropped: self.dropped,
            retried: self.retried,
        }
    }

    /// Where a flush that begins now has to come from.
    pub(super) const fn epoch(&self) -> u64 {
        self.epoch
    }

    /// True if all is settled that was taken before the ledger was asked for `begun`, its
    /// [`epoch`](Self::epoch). Moves the flush on; it may be given up at any time.
    pub(super) const fn is_flushed(&mut self, begun: u64) -> bool {
        if self.epoch == begun && self.units[1 - parity(begun)] == 0 {
            self.epoch += 1;
        }
        // Two epochs on, someone else has seen it settled.
        self.given_up
            || self.epoch > begun + 1
            || (self.epoch == begun + 1 && self.units[parity(begun)] == 0)
    }
}

#[cfg(test)]
mod tests;
