//! How many audit records of one writer are under way, asked for each of them: one atomic word.

use std::sync::atomic::{AtomicU64, Ordering};

/// Set for good once no more are taken.
const CLOSED: u64 = 1 << 63;
const RECORD: u64 = 1 << BYTE_BITS;
const BYTE_BITS: u32 = 36;
const BYTES: u64 = RECORD - 1;

/// Most records that it can let in.
pub(super) const MOST_RECORDS: usize = (1 << (63 - BYTE_BITS)) - 1;

/// Most bytes that it can let in, and most that one may weigh: two of it still fit.
pub(super) const MOST_BYTES: usize = 1 << (BYTE_BITS - 1);

/// Lets records in, up to a number of them and of bytes.
#[derive(Debug, Default)]
pub(super) struct Gate(AtomicU64);

/// What a gate says to one more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Passage {
    In,
    Full,
    Closed,
}

impl Gate {
    /// Lets one in of a [weight](weight_of), unless `most` are, or `bytes` or more of it: so that what is in passes `bytes` by
    /// less than one record, and a record that alone is larger gets in all the same.
    pub(super) fn enter(&self, weight: usize, most: usize, bytes: usize) -> Passage {
        let more = RECORD | weight as u64;
        let mut now = self.0.load(Ordering::Relaxed);
        loop {
            if now & CLOSED != 0 {
                return Passage::Closed;
            }
            if now / RECORD >= most as u64 || now & BYTES >= bytes as u64 {
                return Passage::Full;
            }
            // Only numbers: whoever must see what was done before gets it by a lock.
            let then =
                self.0
                    .compare_exchange_weak(now, now + more, Ordering::Relaxed, Ordering::Relaxed);
            match then {
                Ok(_) => return Passage::In,
                Err(changed) => now = changed,
            }
        }
    }

    /// Lets out `records`, which weigh `bytes` together.
    pub(super) fn leave(&self, records: usize, bytes: usize) {
        let less = RECORD * records as u64 + bytes as u64;
        self.0.fetch_sub(less, Ordering::Relaxed);
    }

    /// Records that are in.
    pub(super) fn records(&self) -> u64 {
        (self.0.load(Ordering::Relaxed) & !CLOSED) / RECORD
    }

    pub(super) fn close(&self) {
        self.0.fetch_or(CLOSED, Ordering::Relaxed);
    }

    pub(super) fn is_closed(&self) -> bool {
        self.0.load(Ordering::Relaxed) & CLOSED != 0
    }

    /// Closes it and forgets those that are in, which must not leave any more. Says how many.
    pub(super) fn give_up(&self) -> u64 {
        (self.0.swap(CLOSED, Ordering::Relaxed) & !CLOSED) / RECORD
    }
}

/// What a record of `bytes` weighs.
pub(super) fn weight_of(bytes: usize) -> usize {
    bytes.min(MOST_BYTES)
}

#[cfg(test)]
mod tests;
