//! A future that many wait for, and whichever of them is polled drives.
//!
//! `futures_util` has one too, which wakes under its lock: a waker that polls in place would wait
//! for itself, and one that panics would leave the others asleep. Here whatever is not ours runs with
//! no lock held.

use std::collections::HashMap;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::task::{Context, Poll, Wake, Waker};

use futures_util::future::BoxFuture;

/// One who waits.
pub(super) struct Shared<T: Clone> {
    /// None once it has told its outcome.
    inner: Option<Arc<Inner<T>>>,
    /// Where its waker is.
    place: Option<u64>,
}

/// Finds a [`Shared`] for as long as somebody has one.
pub(super) struct WeakShared<T: Clone>(Weak<Inner<T>>);

struct Inner<T> {
    /// Taken out by whoever polls it; gone once it is over.
    future: Mutex<Option<BoxFuture<'static, T>>>,
    outcome: OnceLock<T>,
    waiting: Arc<Waiting>,
}

/// Apart from the future, which holds wakers of it.
#[derive(Default)]
struct Waiting(Mutex<State>);

#[derive(Default)]
struct State {
    wakers: HashMap<u64, Waker>,
    places: u64,
    /// Somebody polls the future.
    polled: bool,
    /// It was woken meanwhile.
    again: bool,
    /// It panicked.
    broken: bool,
}

impl<T: Clone> Shared<T> {
    pub(super) fn new(future: BoxFuture<'static, T>) -> Self {
        Self::of(Some(future), OnceLock::new())
    }

    /// One that is over.
    pub(super) fn ready(outcome: T) -> Self {
        Self::of(None, OnceLock::from(outcome))
    }

    fn of(future: Option<BoxFuture<'static, T>>, outcome: OnceLock<T>) -> Self {
        Self {
            inner: Some(Arc::new(Inner {
                future: Mutex::new(future),
                outcome,
                waiting: Arc::default(),
            })),
            place: None,
        }
    }

    /// The outcome, if it is known, and was not told here.
    pub(super) fn peek(&self) -> Option<&T> {
        self.inner.as_ref()?.outcome.get()
    }

    pub(super) fn downgrade(&self) -> Option<WeakShared<T>> {
        self.inner.as_ref().map(Arc::downgrade).map(WeakShared)
    }

    /// The last one gets the outcome without a copy.
    fn tell(&mut self) -> Option<T> {
        self.leave();
        match Arc::try_unwrap(self.inner.take()?) {
            Ok(inner) => inner.outcome.into_inner(),
            Err(inner) => inner.outcome.get().cloned(),
        }
    }

    /// Takes back its waker.
    fn leave(&mut self) {
        if let (Some(inner), Some(place)) = (&self.inner, self.place.take()) {
            let waker = inner.waiting.lock().wakers.remove(&place);
            drop(waker);
        }
    }
}

impl<T: Clone> Future for Shared<T> {
    type Output = T;

    /// # Panics
    ///
    /// Panics if the future did, whoever polled it then, and after the outcome was told.
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        let this = &mut *self;
        let Some(inner) = &this.inner else {
            panic!("polled after its outcome was told");
        };
        if inner.outcome.get().is_none() && !inner.drive(&mut this.place, cx) {
            return Poll::Pending;
        }
        match this.tell() {
            Some(outcome) => Poll::Ready(outcome),
            None => panic!("what others wait for as well has panicked"),
        }
    }
}

impl<T> Inner<T> {
    /// Polls the future, unless somebody else does so. True once there is nothing more to poll.
    fn drive(&self, place: &mut Option<u64>, cx: &Context<'_>) -> bool {
        let waker = cx.waker().clone();
        let mut state = self.waiting.lock();
        // The outcome is there before the wakers are taken, under this lock.
        if self.outcome.get().is_some() || state.broken {
            return true;
        }
        let place = *place.get_or_insert_with(|| {
            state.places += 1;
            state.places
        });
        let before = state.wakers.insert(place, waker);
        let is_polled = std::mem::replace(&mut state.polled, true);
        state.again &= is_polled;
        drop(state);
        drop(before);
        if is_polled {
            return false;
        }
        let mut polling = Polling {
            waiting: &self.waiting,
            place,
            then: Then::Broken,
        };
        let Some(mut future) = lock(&self.future).take() else {
            return true;
        };
        let notify = Waker::from(Arc::clone(&self.waiting));
        match future.as_mut().poll(&mut Context::from_waker(&notify)) {
            Poll::Ready(outcome) => {
                let _ = self.outcome.set(outcome);
                polling.then = Then::Over;
                drop(polling);
                true
            }
            Poll::Pending => {
                *lock(&self.future) = Some(future);
                polling.then = Then::Wait;
                false
            }
        }
    }
}

/// Held by whoever polls the future, also if it unwinds.
struct Polling<'a> {
    waiting: &'a Waiting,
    place: u64,
    then: Then,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Then {
    Wait,
    Over,
    Broken,
}

impl Drop for Polling<'_> {
    fn drop(&mut self) {
        let mut state = self.waiting.lock();
        state.polled = false;
        state.broken = self.then == Then::Broken;
        if self.then == Then::Wait {
            if std::mem::take(&mut state.again) {
                self.waiting.wake_all(state);
            }
            return;
        }
        let own = state.wakers.remove(&self.place);
        self.waiting.wake_all(state);
        drop(own);
    }
}

impl Waiting {
    fn lock(&self) -> MutexGuard<'_, State> {
        lock(&self.0)
    }

    /// Whoever of them is polled first drives the future.
    fn wake_all(&self, mut state: MutexGuard<'_, State>) {
        let wakers = std::mem::take(&mut state.wakers);
        drop(state);
        for waker in wakers.into_values() {
            // One that panics must not keep the others asleep.
            let _ = catch_unwind(AssertUnwindSafe(|| waker.wake()));
        }
    }
}

impl Wake for Waiting {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        let mut state = self.lock();
        if state.polled {
            state.again = true;
        } else {
            self.wake_all(state);
        }
    }
}

impl<T: Clone> Clone for Shared<T> {
    fn clone(&self) -> Self {
        Self {
            inner: self.inner.clone(),
            place: None,
        }
    }
}

impl<T: Clone> Drop for Shared<T> {
    fn drop(&mut self) {
        self.leave();
    }
}

impl<T: Clone> WeakShared<T> {
    pub(super) fn upgrade(&self) -> Option<Shared<T>> {
        let inner = Some(self.0.upgrade()?);
        Some(Shared { inner, place: None })
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
