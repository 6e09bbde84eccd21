//! A place on the ring.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};

use tokio::sync::broadcast::error::{RecvError, TryRecvError};

use super::Ring;
use super::kept::Found;
use super::rouser::Whereabouts;
use crate::Envelope;

/// How many envelopes a receiver that leaves lets go of under one lock.
const TRIMMED_AT_ONCE: usize = 64;

/// How many envelopes are read under one lock, at most: the emitter waits for it.
const READ_AT_ONCE: usize = 64;

/// A receiver's place on the ring. It holds no lock and no envelope between calls.
pub(super) struct Cursor {
    ring: Arc<Ring>,
    /// The `seq` of the next envelope to read.
    at: u64,
    seat: usize,
    /// None for one that is to be woken as if it ran outside any runtime.
    whereabouts: Option<Whereabouts>,
}

impl Cursor {
    pub(super) fn new(ring: Arc<Ring>, at: u64, seat: usize) -> Self {
        Self {
            ring,
            at,
            seat,
            whereabouts: Some(Whereabouts::default()),
        }
    }

    /// Has it woken as if it ran outside any runtime.
    pub(super) fn stay_away(&mut self) {
        self.whereabouts = None;
    }

    pub(super) fn capacity(&self) -> usize {
        self.ring.capacity
    }

    /// Reads up to `limit` envelopes, at least one, and gives each to `take`, under the lock.
    pub(super) fn try_read(
        &mut self,
        limit: usize,
        mut take: impl FnMut(Arc<Envelope>),
    ) -> Result<(), TryRecvError> {
        let limit = limit.min(READ_AT_ONCE);
        let mut state = self.ring.lock();
        match state.kept.read(&mut self.at, limit, &mut take) {
            Found::Envelopes => Ok(()),
            Found::Lagged(missed) => Err(TryRecvError::Lagged(missed)),
            Found::Nothing if state.closed => Err(TryRecvError::Closed),
            Found::Nothing => Err(TryRecvError::Empty),
        }
    }

    /// Waits for one, then reads as [`try_read`](Self::try_read) does.
    pub(super) fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        limit: usize,
        mut take: impl FnMut(Arc<Envelope>),
    ) -> Poll<Result<(), RecvError>> {
        loop {
            // It will most likely park, for which it needs a waker of its own.
            let waker = self.has_read_all().then(|| cx.waker().clone());
            let whereabouts = self.whereabouts.as_mut().filter(|_| waker.is_some());
            let runtime = whereabouts.and_then(Whereabouts::runtime);
            let limit = limit.min(READ_AT_ONCE);
            let mut state = self.ring.lock();
            let result = match state.kept.read(&mut self.at, limit, &mut take) {
                Found::Envelopes => Ok(()),
                Found::Lagged(missed) => Err(RecvError::Lagged(missed)),
                Found::Nothing if state.closed => Err(RecvError::Closed),
                Found::Nothing => {
                    let Some(waker) = waker else { continue };
                    let lane = state.lane_of(runtime, &waker);
                    let needless = state.parked.park(self.seat, lane, waker);
                    let wanted = state.wanted(lane, runtime);
                    drop(state);
                    drop(needless);
                    self.ring.provide(wanted);
                    return Poll::Pending;
                }
            };
            drop(state);
            return Poll::Ready(result);
        }
    }

    /// Whether there was nothing to read a moment ago.
    fn has_read_all(&self) -> bool {
        self.at == self.ring.next.load(Ordering::Relaxed)
    }
}

impl Drop for Cursor {
    fn drop(&mut self) {
        let mut unread = Vec::new();
        let mut state = self.ring.lock();
        state.kept.leave(self.at);
        state.receivers -= 1;
        self.ring
            .receivers
            .store(state.receivers, Ordering::Relaxed);
        let waker = state.parked.leave(self.seat);
        if state.receivers == 0 {
            let emptied = (state.kept.clear(), state.parked.clear());
            let mut rousers = state.dismiss();
            drop(state);
            drop((emptied, waker));
            rousers.wake();
            return;
        }
        while state.kept.trim(TRIMMED_AT_ONCE, &mut unread) {
            drop(state);
            unread.clear();
            state = self.ring.lock();
        }
        drop(state);
        drop((waker, unread));
    }
}

#[cfg(all(test, not(loom)))]
impl Cursor {
    pub(super) const fn at(&self) -> u64 {
        self.at
    }
}
