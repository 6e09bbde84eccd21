//! What a writer has taken, and what became of it.

/// What became of the audit records of one [`LogWriter`](crate::LogWriter), all its clones and
/// sinks.
///
/// Events of the sink face are not in here: each has its ticket, which tells.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct AuditStats {
    /// Records that were made, also those made after `close`.
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

/// What the ledger says to one more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Admission {
    Taken(Epoch),
    Full,
    Closed,
}

/// The flush that something counts for: the number's parity, as only two are ever open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Epoch(usize);

/// The books of one writer.
///
/// A *unit* is what flushes wait for: a record, an event or a gap that is not settled. Units are
/// counted by epoch. A flush begins a new epoch, once the one before the present is settled, and is
/// over when the one it ended is: so it waits for all that was taken before it and, however much is
/// taken meanwhile, for nothing after it.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    stats: AuditStats,
    audit_open: usize,
    sink_open: usize,
    units: [usize; 2],
    epoch: u64,
    closed: bool,
    given_up: bool,
}

/// What is settled by one append.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) written: usize,
    pub(super) dropped: usize,
    pub(super) sink: usize,
    pub(super) units: [usize; 2],
}

impl Tally {
    pub(super) fn unit(&mut self, epoch: Epoch) {
        self.units[epoch.0] += 1;
    }
}

impl Ledger {
    pub(super) fn admit(&mut self, face: Face, room: usize) -> Admission {
        let open = match face {
            Face::Audit => {
                self.stats.accepted += 1;
                &mut self.audit_open
            }
            Face::Sink => &mut self.sink_open,
        };
        let refused = if self.closed {
            Admission::Closed
        } else if *open >= room {
            Admission::Full
        } else {
            *open += 1;
            return Admission::Taken(self.open_unit());
        };
        if face == Face::Audit {
            self.stats.dropped += 1;
        }
        refused
    }

    /// Opens a unit that is neither record nor event: a gap.
    pub(super) fn open_unit(&mut self) -> Epoch {
        let parity = usize::from(self.epoch % 2 == 1);
        self.units[parity] += 1;
        Epoch(parity)
    }

    /// True if somebody may have waited for this.
    pub(super) fn settle(&mut self, tally: &Tally) -> bool {
        if self.given_up {
            return false;
        }
        self.stats.written += tally.written as u64;
        self.stats.dropped += tally.dropped as u64;
        self.audit_open -= tally.written + tally.dropped;
        self.sink_open -= tally.sink;
        for (open, settled) in self.units.iter_mut().zip(tally.units) {
            *open -= settled;
        }
        tally.sink > 0 || self.units.contains(&0)
    }

    pub(super) fn retried(&mut self) {
        self.stats.retried += 1;
    }

    pub(super) fn close(&mut self) {
        self.closed = true;
    }

    /// Counts what is still open as dropped. What comes of it later changes nothing any more.
    pub(super) fn give_up(&mut self) {
        self.stats.dropped += self.audit_open as u64;
        self.audit_open = 0;
        self.sink_open = 0;
        self.units = [0, 0];
        self.given_up = true;
    }

    /// True if closing would have to wait.
    pub(super) fn is_open(&self) -> bool {
        !self.given_up && self.units != [0, 0]
    }

    pub(super) const fn stats(&self) -> AuditStats {
        self.stats
    }

    /// Where a flush that begins now has to come from.
    pub(super) const fn epoch(&self) -> u64 {
        self.epoch
    }

    /// True if all is settled that was taken before the ledger was asked for `begun`, its
    /// [`epoch`](Self::epoch). Moves the flush on; it may be given up at any time.
    pub(super) fn is_flushed(&mut self, begun: u64) -> bool {
        let parity = usize::from(begun % 2 == 1);
        if self.epoch == begun && self.units[1 - parity] == 0 {
            self.epoch += 1;
        }
        // Two epochs on, someone else has seen it settled.
        self.given_up
            || self.epoch > begun + 1
            || (self.epoch == begun + 1 && self.units[parity] == 0)
    }
}

#[cfg(test)]
mod tests;
