//! The ring: the last `capacity` envelopes, and who has yet to read them.
//!
//! One lock holds it all. Nothing of anybody else's runs under it: wakers are woken, and what fell
//! off the ring is dropped, after it is released.

mod receiver;
mod seats;

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;

use seats::Seats;

use crate::Envelope;

pub(crate) use receiver::Receiver;

pub(crate) struct Ring {
    capacity: usize,
    state: Mutex<State>,
}

struct State {
    /// The `seq` of the next envelope.
    next: u64,
    /// The envelopes before `next` that somebody has yet to read, at most `capacity`.
    kept: VecDeque<Kept>,
    receivers: usize,
    seats: Seats,
    closed: bool,
}

struct Kept {
    envelope: Arc<Envelope>,
    /// Receivers that have yet to read it. Nobody reads an envelope before the older ones, so that
    /// the first to reach 0 is always the oldest.
    unread: usize,
}

/// What a receiver finds at its cursor.
enum Found {
    Envelope(Arc<Envelope>),
    /// So many were overwritten before it could read them.
    Lagged(u64),
    Nothing,
    Closed,
}

impl Ring {
    /// A ring of `capacity`, which must be a power of two.
    pub(crate) fn new(capacity: usize) -> Self {
        Self {
            capacity,
            state: Mutex::new(State {
                next: 1,
                kept: VecDeque::new(),
                receivers: 0,
                seats: Seats::default(),
                closed: false,
            }),
        }
    }

    pub(crate) const fn capacity(&self) -> usize {
        self.capacity
    }

    pub(crate) fn receivers(&self) -> usize {
        self.lock().receivers
    }

    /// Gives the envelope its `seq`, shows it to every receiver, and returns the `seq`.
    pub(crate) fn push(&self, envelope: Envelope) -> u64 {
        let mut envelope = Arc::new(envelope);
        let mut state = self.lock();
        let seq = state.next;
        if state.closed {
            // Nothing comes behind the end, and no bus is left to be told a `seq` of its own.
            return seq;
        }
        state.next += 1;
        if state.receivers == 0 {
            return seq;
        }
        if let Some(envelope) = Arc::get_mut(&mut envelope) {
            envelope.seq = seq;
        }
        let overwritten = if state.kept.len() == self.capacity {
            state.kept.pop_front()
        } else {
            None
        };
        let unread = state.receivers;
        state.kept.push_back(Kept { envelope, unread });
        let wakers = state.seats.take_wakers();
        drop(state);
        drop(overwritten);
        wake_all(wakers);
        seq
    }

    /// Lets receivers read what is there, and then find the end.
    pub(crate) fn close(&self) {
        let mut state = self.lock();
        state.closed = true;
        let wakers = state.seats.take_wakers();
        drop(state);
        wake_all(wakers);
    }

    /// A receiver of every envelope from now on.
    pub(crate) fn subscribe(self: &Arc<Self>) -> Receiver {
        let mut state = self.lock();
        state.receivers += 1;
        Receiver {
            cursor: state.next,
            seat: state.seats.join(),
            ring: Arc::clone(self),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Reads the envelope at `cursor`, which then stands behind it.
    fn read(&mut self, cursor: &mut u64) -> Found {
        let oldest = self.oldest();
        if *cursor < oldest {
            let missed = oldest - *cursor;
            *cursor = oldest;
            return Found::Lagged(missed);
        }
        match self.take(*cursor - oldest) {
            Some(envelope) => {
                *cursor += 1;
                Found::Envelope(envelope)
            }
            None if self.closed => Found::Closed,
            None => Found::Nothing,
        }
    }

    /// Counts the envelope at `index` as read by one more. Whoever is the last gets the ring's own.
    fn take(&mut self, index: u64) -> Option<Arc<Envelope>> {
        let kept = self.kept.get_mut(usize::try_from(index).ok()?)?;
        kept.unread -= 1;
        if kept.unread > 0 {
            return Some(Arc::clone(&kept.envelope));
        }
        self.kept.pop_front().map(|kept| kept.envelope)
    }

    /// The `seq` of the oldest envelope kept; of the next one where none is.
    fn oldest(&self) -> u64 {
        self.next - self.kept.len() as u64
    }
}

/// A waker is somebody else's code: one that panics must not keep the others asleep, nor stop the
/// thread that happens to deliver.
fn wake_all(wakers: Vec<Waker>) {
    for waker in wakers {
        let _ = catch_unwind(AssertUnwindSafe(|| waker.wake()));
    }
}

#[cfg(test)]
mod tests;
