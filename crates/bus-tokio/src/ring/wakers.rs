//! Wakers that were taken under the lock, to be woken outside it.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::task::Waker;

/// How many are taken at a time.
const ROOM: usize = 16;

#[derive(Default)]
pub(super) struct Wakers {
    wakers: [Option<Waker>; ROOM],
    count: usize,
}

impl Wakers {
    pub(super) const fn is_full(&self) -> bool {
        self.count == ROOM
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// There must be room.
    pub(super) fn push(&mut self, waker: Waker) {
        self.wakers[self.count] = Some(waker);
        self.count += 1;
    }

    /// A waker is somebody else's code: one that panics must not keep the others asleep, nor stop
    /// the thread that happens to deliver.
    pub(super) fn wake(&mut self) {
        for waker in &mut self.wakers[..std::mem::take(&mut self.count)] {
            if let Some(waker) = waker.take() {
                let _ = catch_unwind(AssertUnwindSafe(|| waker.wake()));
            }
        }
    }
}
