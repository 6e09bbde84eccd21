//! What waits for the committer, bounded in bytes.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::{Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::{Poll, Waker};
use std::thread::{self, ThreadId};
use std::time::Duration;

use bus_log::{Completer, Expect, LogError, Result, ThreadKey};

use crate::line::Lines;

/// What the committer is asked for.
#[derive(Debug)]
pub(crate) enum Request {
    Append(Append),
    Archive {
        key: ThreadKey,
        watermark: u64,
        reply: Completer,
    },
    Erase {
        key: ThreadKey,
        reply: Completer,
    },
}

/// A batch, encoded.
#[derive(Debug)]
pub(crate) struct Append {
    pub(crate) key: ThreadKey,
    pub(crate) expect: Expect,
    pub(crate) lines: Lines,
    pub(crate) reply: Completer,
}

impl Request {
    fn bytes(&self) -> usize {
        match self {
            Self::Append(append) => append.lines.as_bytes().len(),
            Self::Archive { .. } | Self::Erase { .. } => 0,
        }
    }
}

/// Why nothing is taken any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Closed {
    InOrder,
    Failed,
}

impl From<Closed> for LogError {
    fn from(closed: Closed) -> Self {
        match closed {
            Closed::InOrder => Self::closed("it was dropped"),
            Closed::Failed => Self::closed("its writer panicked; open it again"),
        }
    }
}

/// What the committer finds.
#[derive(Debug)]
pub(crate) enum Taken {
    Requests(Vec<Request>),
    /// Nothing came in time.
    Nothing,
    /// Nothing is left, and nothing will come.
    Closed,
}

/// The queue. Its order is the order of ordinals.
#[derive(Debug)]
pub(crate) struct Queue {
    capacity: usize,
    state: Mutex<State>,
    /// Something came, or the queue was closed.
    came: Condvar,
    /// There is room again.
    room: Condvar,
    /// The committer's thread, which must never wait for itself.
    server: OnceLock<ThreadId>,
}

#[derive(Debug, Default)]
struct State {
    requests: VecDeque<Request>,
    bytes: usize,
    closed: Option<Closed>,
    /// Tasks that wait for room.
    wakers: Vec<Waker>,
    /// Threads that wait for room.
    blocked: usize,
}

impl State {
    fn has_room(&self, bytes: usize, capacity: usize) -> bool {
        self.requests.is_empty() || self.bytes.saturating_add(bytes) <= capacity
    }
}

impl Queue {
    pub(crate) fn new(capacity: usize) -> Self {
        Self {
            capacity,
            state: Mutex::default(),
            came: Condvar::new(),
            room: Condvar::new(),
            server: OnceLock::new(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Names the thread that takes.
    pub(super) fn serve(&self, server: ThreadId) {
        // Set once, by the one who starts it.
        let _ = self.server.set(server);
    }

    /// Adds a request, blocking the thread while there is no room.
    pub(crate) fn push(&self, request: Request) -> Result<()> {
        let bytes = request.bytes();
        let own = self.server.get() == Some(&thread::current().id());
        let mut state = self.state();
        while state.closed.is_none() && !own && !state.has_room(bytes, self.capacity) {
            state.blocked += 1;
            state = self
                .room
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
            state.blocked -= 1;
        }
        self.add(state, request)
    }

    /// Adds a request once there is room. Dropped before, it adds nothing.
    pub(crate) async fn push_async(&self, request: Request) -> Result<()> {
        let bytes = request.bytes();
        let mut request = Some(request);
        poll_fn(|cx| {
            let mut state = self.state();
            if state.closed.is_none() && !state.has_room(bytes, self.capacity) {
                if !state.wakers.iter().any(|waker| waker.will_wake(cx.waker())) {
                    state.wakers.push(cx.waker().clone());
                }
                return Poll::Pending;
            }
            Poll::Ready(match request.take() {
                Some(request) => self.add(state, request),
                None => Ok(()),
            })
        })
        .await
    }

    fn add(&self, mut state: MutexGuard<'_, State>, request: Request) -> Result<()> {
        if let Some(closed) = state.closed {
            return Err(closed.into());
        }
        state.bytes += request.bytes();
        state.requests.push_back(request);
        let first = state.requests.len() == 1;
        drop(state);
        if first {
            self.came.notify_one();
        }
        Ok(())
    }

    /// Takes what waits, at least one request and no more than `limit` bytes of others, waiting for
    /// it at most for `nap`.
    pub(super) fn take(&self, limit: usize, nap: Option<Duration>) -> Taken {
        let mut state = self.state();
        while state.requests.is_empty() {
            if state.closed.is_some() {
                return Taken::Closed;
            }
            state = match nap {
                None => self
                    .came
                    .wait(state)
                    .unwrap_or_else(PoisonError::into_inner),
                Some(nap) => {
                    let (state, timeout) = self
                        .came
                        .wait_timeout(state, nap)
                        .unwrap_or_else(PoisonError::into_inner);
                    if timeout.timed_out() && state.requests.is_empty() && state.closed.is_none() {
                        return Taken::Nothing;
                    }
                    state
                }
            };
        }
        let mut bytes = 0;
        let mut taken = Vec::new();
        while let Some(next) = state.requests.front() {
            bytes += next.bytes();
            if bytes > limit && !taken.is_empty() {
                break;
            }
            let size = next.bytes();
            state.bytes -= size;
            taken.extend(state.requests.pop_front());
        }
        let wakers = std::mem::take(&mut state.wakers);
        let blocked = state.blocked > 0;
        drop(state);
        if blocked {
            self.room.notify_all();
        }
        for waker in wakers {
            waker.wake();
        }
        Taken::Requests(taken)
    }

    /// Takes nothing any more. What waits is still served if `closed` is in order, and dropped, which
    /// tells those who wait, if it is not.
    pub(super) fn close(&self, closed: Closed) {
        let mut state = self.state();
        state.closed = Some(closed);
        let dropped = match closed {
            Closed::InOrder => VecDeque::new(),
            Closed::Failed => std::mem::take(&mut state.requests),
        };
        let wakers = std::mem::take(&mut state.wakers);
        drop(state);
        self.came.notify_all();
        self.room.notify_all();
        for waker in wakers {
            waker.wake();
        }
        drop(dropped);
    }
}
