//! One reader of the ring.

use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::sync::broadcast::error::{RecvError, TryRecvError};
use tokio::task::coop;

use super::{Found, Ring};
use crate::Envelope;

/// A cursor on the ring. It holds no lock and no envelope between calls.
pub(crate) struct Receiver {
    pub(super) ring: Arc<Ring>,
    /// The `seq` of the next envelope to read.
    pub(super) cursor: u64,
    pub(super) seat: usize,
}

impl Receiver {
    pub(crate) fn try_recv(&mut self) -> Result<Arc<Envelope>, TryRecvError> {
        match self.ring.lock().read(&mut self.cursor) {
            Found::Envelope(envelope) => Ok(envelope),
            Found::Lagged(missed) => Err(TryRecvError::Lagged(missed)),
            Found::Nothing => Err(TryRecvError::Empty),
            Found::Closed => Err(TryRecvError::Closed),
        }
    }

    /// Reads up to `limit` envelopes, at least one, under one lock, and gives each to `take`.
    pub(crate) fn poll_recv(
        &mut self,
        cx: &mut Context<'_>,
        limit: usize,
        mut take: impl FnMut(Arc<Envelope>),
    ) -> Poll<Result<(), RecvError>> {
        // A busy bus must not keep a task from ever yielding.
        let budget = ready!(coop::poll_proceed(cx));
        let mut state = self.ring.lock();
        let result = match state.read(&mut self.cursor) {
            Found::Envelope(envelope) => {
                take(envelope);
                for _ in 1..limit {
                    let Found::Envelope(envelope) = state.read(&mut self.cursor) else {
                        break;
                    };
                    take(envelope);
                }
                Ok(())
            }
            Found::Lagged(missed) => Err(RecvError::Lagged(missed)),
            Found::Closed => Err(RecvError::Closed),
            Found::Nothing => {
                let replaced = state.seats.park(self.seat, cx.waker());
                drop(state);
                drop(replaced);
                return Poll::Pending;
            }
        };
        drop(state);
        budget.made_progress();
        Poll::Ready(result)
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        let mut unread = Vec::new();
        let mut state = self.ring.lock();
        loop {
            match state.read(&mut self.cursor) {
                Found::Envelope(envelope) => unread.push(envelope),
                Found::Lagged(_) => {}
                Found::Nothing | Found::Closed => break,
            }
        }
        state.receivers -= 1;
        let waker = state.seats.leave(self.seat);
        drop(state);
        drop((waker, unread));
    }
}
