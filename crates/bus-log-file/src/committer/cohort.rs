//! Waiting a moment for those who come back together.
//!
//! Those who were told of one group come back one after the other. Whoever came first would sync for the few that
//! are there already, and the others would wait for that sync and then for their own.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// A group of fewer appends than this is not waited for: a sync more costs less.
const FEW: usize = 4;

/// How many looks in a row may find nobody new. Each lets whoever can run have the processor first.
const IN_VAIN: u32 = 4;

/// A sync that takes longer counts as if it took this long: nobody is waited for longer than half of it.
const LONGEST: Duration = Duration::from_millis(2);

/// How many appends the last group had, and how long a sync takes.
#[derive(Debug, Default)]
pub(super) struct Cohort {
    appends: AtomicUsize,
    sync_nanos: AtomicU64,
}

impl Cohort {
    /// Waits until as many appends are `there` as the last group had: no longer than half a sync, and not when
    /// nobody comes while none of them `is_told`.
    pub(super) fn gather(&self, there: impl Fn() -> usize, is_told: impl Fn() -> bool) {
        let expected = self.appends.load(Ordering::Relaxed);
        let mut seen = there();
        if expected < FEW || seen >= expected {
            return;
        }
        let most = Duration::from_nanos(self.sync_nanos.load(Ordering::Relaxed) / 2);
        let (start, mut in_vain) = (Instant::now(), 0);
        while seen < expected && in_vain < IN_VAIN && start.elapsed() < most {
            thread::yield_now();
            let now = there();
            in_vain = if now > seen || is_told() {
                0
            } else {
                in_vain + 1
            };
            seen = now;
        }
    }

    /// Notes how many appends a group has.
    pub(super) fn took(&self, appends: usize) {
        self.appends.store(appends, Ordering::Relaxed);
    }

    /// Notes how long a sync took: an eighth of it counts.
    pub(super) fn synced(&self, took: Duration) {
        let took = took.min(LONGEST).as_nanos() as u64;
        let before = self.sync_nanos.load(Ordering::Relaxed);
        let mean = before - before / 8 + took / 8;
        self.sync_nanos.store(mean, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests;
