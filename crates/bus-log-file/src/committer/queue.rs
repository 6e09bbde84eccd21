//! What waits to be committed, bounded in bytes, and who is to be woken for it.

mod take;

use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};
use std::time::{Duration, Instant};

use bus_log::{LogError, Result};

use super::request::Request;

/// How often one of the log's threads looks, while events come, whether one waits that nobody asks for.
const LOOK: Duration = Duration::from_millis(1);

/// After so many looks that found nothing new it sleeps until it is woken.
const QUIET: u32 = 10;

/// Why nothing is taken any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Closed {
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

/// Why one of the log's threads woke.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Woken {
    /// Something waits, and nobody who could do it may block.
    Work,
    /// What was acknowledged is to be made durable.
    Flush,
    /// Time to look for idle sessions.
    Idle,
    /// Time to try again what a disk refused.
    Again,
    Closed,
}

/// The queue. Its order is the order of ordinals.
#[derive(Debug)]
pub(crate) struct Queue {
    capacity: usize,
    state: Mutex<State>,
    /// A server is to do something.
    work: Condvar,
    /// There is room again.
    room: Condvar,
    /// Somebody commits, and will look at the queue once more when done.
    leading: AtomicBool,
    /// Requests that wait.
    len: AtomicUsize,
    /// Nothing is taken any more.
    closed: AtomicBool,
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
    /// A server is to work.
    wanted: bool,
    /// A server is to flush, now or then.
    flush: bool,
    flush_at: Option<Instant>,
    idle_at: Option<Instant>,
    again_at: Option<Instant>,
    /// A server looks every millisecond.
    awake: bool,
    /// One of those that sleep keeps the time.
    timed: bool,
    quiet: u32,
    /// Requests that ever came, and that were ever taken.
    came: u64,
    taken: u64,
    /// Those two at the last look.
    seen: (u64, u64),
}

impl State {
    /// Whether so many bytes may be added: what is too large in any case, where nothing else is. Only taking bytes
    /// out changes that, so that only [`Queue::take`], [`Queue::take_rewrite`] and [`Queue::close`] tell of it.
    fn has_room(&self, bytes: usize, capacity: usize) -> bool {
        self.bytes == 0 || self.bytes.saturating_add(bytes) <= capacity
    }

    /// How long a server may sleep.
    fn pause(&self, now: Instant) -> Option<Duration> {
        let look = self.awake.then(|| now + LOOK);
        [self.flush_at, self.idle_at, self.again_at, look]
            .into_iter()
            .flatten()
            .min()
            .map(|at| at.saturating_duration_since(now))
    }

    fn due(&mut self, now: Instant) -> Option<Woken> {
        if std::mem::take(&mut self.wanted) {
            return Some(Woken::Work);
        }
        if self.flush || self.flush_at.is_some_and(|at| at <= now) {
            self.flush = false;
            self.flush_at = None;
            return Some(Woken::Flush);
        }
        if self.closed.is_some() {
            return Some(Woken::Closed);
        }
        if self.idle_at.is_some_and(|at| at <= now) {
            self.idle_at = None;
            return Some(Woken::Idle);
        }
        if self.again_at.is_some_and(|at| at <= now) {
            self.again_at = None;
            return Some(Woken::Again);
        }
        None
    }

    /// Looks whether the request in front waited since the last look.
    fn is_left(&mut self) -> bool {
        let (came, taken) = self.seen;
        self.seen = (self.came, self.taken);
        self.quiet = if came == self.came { self.quiet + 1 } else { 0 };
        if self.quiet >= QUIET && self.requests.is_empty() {
            self.awake = false;
        }
        !self.requests.is_empty() && taken == self.taken && came > taken
    }
}

impl Queue {
    pub(crate) fn new(capacity: usize) -> Self {
        Self {
            capacity,
            state: Mutex::default(),
            work: Condvar::new(),
            room: Condvar::new(),
            leading: AtomicBool::new(false),
            len: AtomicUsize::new(0),
            closed: AtomicBool::new(false),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a request, blocking the thread while there is no room. One that tells tickets must not
    /// wait for others, and is given room.
    pub(crate) fn push(&self, request: Request, tells: impl Fn() -> bool) -> Result<()> {
        let bytes = request.bytes();
        let mut state = self.state();
        if state.closed.is_none() && !state.has_room(bytes, self.capacity) && !tells() {
            while state.closed.is_none() && !state.has_room(bytes, self.capacity) {
                state.blocked += 1;
                state.wanted = true;
                self.work.notify_one();
                state = self
                    .room
                    .wait(state)
                    .unwrap_or_else(PoisonError::into_inner);
                state.blocked -= 1;
            }
        }
        self.add(state, request)
    }

    /// Adds a request once there is room. Dropped before, it adds nothing. A thread that tells is given room.
    pub(crate) async fn push_async(
        &self,
        request: Request,
        tells: impl Fn() -> bool,
    ) -> Result<()> {
        let mut request = Some(request);
        poll_fn(|cx| self.poll_push(&mut request, cx.waker(), &tells)).await
    }

    /// Adds a request if there is room, and has `room` woken once there may be if not.
    pub(crate) fn try_push(
        &self,
        request: Request,
        room: &Waker,
        tells: impl Fn() -> bool,
    ) -> Poll<Result<()>> {
        let mut request = Some(request);
        let pushed = self.poll_push(&mut request, room, tells);
        if let Some(left) = request {
            left.into_reply().forget();
        }
        pushed
    }

    fn poll_push(
        &self,
        request: &mut Option<Request>,
        waker: &Waker,
        tells: impl Fn() -> bool,
    ) -> Poll<Result<()>> {
        let bytes = request.as_ref().map_or(0, Request::bytes);
        let Some(state) = self.with_room(bytes, waker, tells) else {
            return Poll::Pending;
        };
        Poll::Ready(match request.take() {
            Some(request) => self.add(state, request),
            None => Ok(()),
        })
    }

    /// Whether there is no room for a request of one byte, and has `room` woken once there may be.
    pub(crate) fn lacks_room(&self, room: &Waker, tells: impl Fn() -> bool) -> bool {
        self.with_room(1, room, tells).is_none()
    }

    /// The state, if there is room in it; or else the waker is woken once there may be.
    fn with_room(
        &self,
        bytes: usize,
        waker: &Waker,
        tells: impl Fn() -> bool,
    ) -> Option<MutexGuard<'_, State>> {
        let mut state = self.state();
        if state.closed.is_some() || state.has_room(bytes, self.capacity) || tells() {
            return Some(state);
        }
        if !state.wakers.iter().any(|known| known.will_wake(waker)) {
            state.wakers.push(waker.clone());
        }
        drop(state);
        self.start();
        None
    }

    fn add(&self, mut state: MutexGuard<'_, State>, request: Request) -> Result<()> {
        if let Some(closed) = state.closed {
            drop(state);
            request.into_reply().forget();
            return Err(closed.into());
        }
        state.bytes += request.bytes();
        state.requests.push_back(request);
        self.len.store(state.requests.len(), Ordering::SeqCst);
        state.came += 1;
        self.wake_looker(state);
        Ok(())
    }

    /// Sees to it that what waits is committed by a server, unless somebody is just committing: they look
    /// again.
    pub(super) fn start(&self) {
        if self.is_empty() || self.leading.load(Ordering::SeqCst) {
            return;
        }
        let mut state = self.state();
        if state.requests.is_empty() || state.wanted {
            return;
        }
        state.wanted = true;
        drop(state);
        self.work.notify_one();
    }

    /// Has a server look, whatever there is to do.
    pub(super) fn want(&self) {
        self.state().wanted = true;
        self.work.notify_one();
    }

    /// Has a server flush: now, or at a time.
    pub(super) fn want_flush(&self, at: Option<Instant>) {
        let mut state = self.state();
        match at {
            None => state.flush = true,
            Some(at) => state.flush_at = Some(state.flush_at.map_or(at, |soonest| soonest.min(at))),
        }
        drop(state);
        // The one that keeps the time is to hear of it.
        self.work.notify_all();
    }

    /// Sets when to look for idle sessions.
    pub(super) fn look_at(&self, at: Option<Instant>) {
        self.state().idle_at = at;
    }

    /// Sets when to look for idle sessions, if that is not set.
    pub(super) fn look_by(&self, at: Instant) {
        let mut state = self.state();
        if state.idle_at.is_some() {
            return;
        }
        state.idle_at = Some(at);
        drop(state);
        // Where all sleep until they are woken, nobody keeps the time.
        self.work.notify_all();
    }

    /// Sets when to look for idle sessions, unless that is sooner.
    pub(super) fn look_sooner(&self, at: Instant) {
        let mut state = self.state();
        if state.idle_at.is_some_and(|soonest| soonest <= at) {
            return;
        }
        state.idle_at = Some(at);
        drop(state);
        // The one that keeps the time is to hear of it.
        self.work.notify_all();
    }

    /// Sets when to try again what was refused.
    pub(super) fn try_again_at(&self, at: Instant) {
        self.state().again_at = Some(at);
        // The one that keeps the time is to hear of it.
        self.work.notify_all();
    }

    /// Says that somebody commits from now on, or that nobody does.
    pub(super) fn lead(&self, leading: bool) {
        self.leading.store(leading, Ordering::SeqCst);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many requests wait.
    pub(super) fn len(&self) -> usize {
        self.len.load(Ordering::SeqCst)
    }

    /// Whether nothing is taken any more.
    pub(super) fn is_closed(&self) -> Option<Closed> {
        match self.closed.load(Ordering::SeqCst) {
            false => None,
            true => self.state().closed,
        }
    }

    /// Whether it was closed by a panic.
    pub(super) fn failed(&self) -> bool {
        self.is_closed() == Some(Closed::Failed)
    }

    /// Sleeps until there is something for a server to do.
    pub(super) fn wait(&self) -> Woken {
        let mut state = self.state();
        loop {
            let now = Instant::now();
            if let Some(woken) = state.due(now) {
                return woken;
            }
            match state.pause(now) {
                None => {
                    state = self
                        .work
                        .wait(state)
                        .unwrap_or_else(PoisonError::into_inner);
                }
                Some(pause) => {
                    // The others look less often, in case the one that keeps the time is kept busy.
                    let keeps = !std::mem::replace(&mut state.timed, true);
                    let pause = if keeps { pause } else { pause.max(10 * LOOK) };
                    let (woken, timeout) = self
                        .work
                        .wait_timeout(state, pause)
                        .unwrap_or_else(PoisonError::into_inner);
                    state = woken;
                    state.timed &= !keeps;
                    if timeout.timed_out() && state.awake && state.is_left() {
                        return Woken::Work;
                    }
                }
            }
        }
    }

    /// Has a server look every millisecond, if none does.
    fn wake_looker(&self, mut state: MutexGuard<'_, State>) {
        if !state.requests.is_empty() && !state.awake {
            state.awake = true;
            state.quiet = 0;
            drop(state);
            self.work.notify_one();
        }
    }

    /// Takes nothing any more. Returns the tasks that waited for room, to be woken when no lock is held, and, unless
    /// `closed` is in order, the requests that wait: nobody serves them any more.
    #[must_use]
    pub(super) fn close(&self, closed: Closed) -> (Vec<Waker>, VecDeque<Request>) {
        let mut state = self.state();
        // What failed stays failed.
        if state.closed != Some(Closed::Failed) {
            state.closed = Some(closed);
        }
        self.closed.store(true, Ordering::SeqCst);
        let dropped = match closed {
            Closed::InOrder => VecDeque::new(),
            Closed::Failed => std::mem::take(&mut state.requests),
        };
        self.len.store(state.requests.len(), Ordering::SeqCst);
        let wakers = std::mem::take(&mut state.wakers);
        drop(state);
        self.work.notify_all();
        self.room.notify_all();
        (wakers, dropped)
    }
}

#[cfg(test)]
mod tests;
