//! How an emitter learns that its event was delivered.

use std::future::Future;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use bus_core::TicketOutcome;

use crate::warn::warn_not_durable;

/// What became of an event that was to be durable.
pub(crate) struct Delivered {
    /// 0 if it was not broadcast.
    pub(crate) seq: u64,
    pub(crate) outcome: TicketOutcome,
}

/// The emitter's end. Given up before it was told of a failure, it sees to the warning.
pub(crate) struct Waiting(Arc<Shared>);

/// The end of whoever delivers. Dropped without a word, as by a panic on its way, it tells that the event may not be
/// durable: nobody waits for good.
pub(crate) struct Teller(Option<Arc<Shared>>);

struct Shared {
    state: Mutex<State>,
    told: Condvar,
}

enum State {
    Idle,
    Waker(Waker),
    Told(Delivered),
    /// Told and taken, or given up.
    Gone,
}

pub(crate) fn waiting() -> (Teller, Waiting) {
    let shared = Arc::new(Shared {
        state: Mutex::new(State::Idle),
        told: Condvar::new(),
    });
    (Teller(Some(Arc::clone(&shared))), Waiting(shared))
}

impl Teller {
    /// Gives `delivered` back if nobody waits for it any more.
    pub(crate) fn tell(mut self, delivered: Delivered) -> Option<Delivered> {
        match self.0.take() {
            Some(shared) => shared.tell(delivered),
            None => Some(delivered),
        }
    }

    /// Whether nobody waits for it any more.
    pub(crate) fn is_given_up(&self) -> bool {
        let state = self.0.as_ref().map(|shared| shared.lock());
        state.is_none_or(|state| matches!(*state, State::Gone))
    }
}

impl Drop for Teller {
    fn drop(&mut self) {
        let Some(shared) = self.0.take() else { return };
        let error = io::Error::new(
            io::ErrorKind::BrokenPipe,
            "the event was lost on its way to the sink",
        );
        let lost = Delivered {
            seq: 0,
            outcome: Err(error),
        };
        // A waker that panics must not make an abort of somebody's panic.
        let _ = catch_unwind(AssertUnwindSafe(|| shared.tell(lost)));
    }
}

impl Waiting {
    /// Blocks the thread until the event is delivered.
    pub(crate) fn wait(self) -> Delivered {
        let mut state = self.0.lock();
        loop {
            match std::mem::replace(&mut *state, State::Gone) {
                State::Told(delivered) => return delivered,
                _ => *state = State::Idle,
            }
            state = self
                .0
                .told
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// What is known now, without waiting.
    pub(crate) fn now(self) -> Option<Delivered> {
        match self.give_up() {
            State::Told(delivered) => Some(delivered),
            _ => None,
        }
    }

    fn give_up(&self) -> State {
        std::mem::replace(&mut *self.0.lock(), State::Gone)
    }
}

impl Future for Waiting {
    type Output = Delivered;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Delivered> {
        // Cloned before and dropped after: the last of a task's wakers drops the task, and with it
        // whatever locks.
        let waker = cx.waker().clone();
        let mut state = self.0.lock();
        match std::mem::replace(&mut *state, State::Gone) {
            State::Told(delivered) => Poll::Ready(delivered),
            polled => {
                *state = State::Waker(waker);
                drop(state);
                drop(polled);
                Poll::Pending
            }
        }
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        if let State::Told(Delivered {
            seq,
            outcome: Err(error),
        }) = self.give_up()
        {
            warn_not_durable(seq, &error);
        }
    }
}

impl Shared {
    fn tell(&self, delivered: Delivered) -> Option<Delivered> {
        let mut state = self.lock();
        match std::mem::replace(&mut *state, State::Gone) {
            State::Gone => Some(delivered),
            State::Idle | State::Told(_) => {
                *state = State::Told(delivered);
                drop(state);
                self.told.notify_one();
                None
            }
            State::Waker(waker) => {
                *state = State::Told(delivered);
                drop(state);
                waker.wake();
                None
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
