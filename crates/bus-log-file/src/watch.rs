//! Waking those who wait for a thread's next event.

use std::collections::HashMap;
use std::future::poll_fn;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};

use crate::layout::ThreadId;

/// Who waits for which thread.
#[derive(Debug, Default)]
pub(crate) struct Watch {
    threads: Mutex<HashMap<ThreadId, Vec<(u64, Waker)>>>,
    places: AtomicU64,
}

impl Watch {
    fn threads(&self) -> MutexGuard<'_, HashMap<ThreadId, Vec<(u64, Waker)>>> {
        self.threads.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Wakes all who wait for `id`.
    pub(crate) fn wake(&self, id: &ThreadId) {
        let waiting = self.threads().remove(id).unwrap_or_default();
        for (_, waker) in waiting {
            waker.wake();
        }
    }

    /// Takes a place among those who wait for `id`. Take it before looking whether there is something to
    /// wait for.
    pub(crate) fn place(&self, id: ThreadId) -> Place<'_> {
        let number = self.places.fetch_add(1, Ordering::Relaxed);
        let waker = Waker::noop().clone();
        self.threads().entry(id).or_default().push((number, waker));
        Place {
            watch: self,
            id,
            number,
        }
    }
}

/// A place among those who wait. Dropping it gives it up.
#[derive(Debug)]
pub(crate) struct Place<'w> {
    watch: &'w Watch,
    id: ThreadId,
    number: u64,
}

impl Place<'_> {
    /// Waits until the thread's waiters are woken, since this place was taken.
    pub(crate) async fn woken(&self) {
        poll_fn(|cx| {
            let mut threads = self.watch.threads();
            let waiting = threads.get_mut(&self.id);
            match waiting.and_then(|all| all.iter_mut().find(|(n, _)| *n == self.number)) {
                Some((_, waker)) => {
                    waker.clone_from(cx.waker());
                    Poll::Pending
                }
                None => Poll::Ready(()),
            }
        })
        .await;
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut threads = self.watch.threads();
        if let Some(waiting) = threads.get_mut(&self.id) {
            waiting.retain(|(number, _)| *number != self.number);
            if waiting.is_empty() {
                threads.remove(&self.id);
            }
        }
    }
}
