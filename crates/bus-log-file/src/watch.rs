//! Waking those who wait for a thread's next event.
//!
//! What is appended through this log wakes them at once. [`News`] does so for what other processes
//! write.

#[cfg_attr(not(target_os = "linux"), path = "watch/silent.rs")]
mod inotify;
mod news;
#[cfg(target_os = "linux")]
mod table;

use std::collections::{HashMap, HashSet};
use std::future::poll_fn;
#[cfg(target_os = "linux")]
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};

use crate::layout::ThreadId;

pub(crate) use news::News;

/// How many threads are remembered as written here.
const REMEMBERED: usize = 1024;

/// Who waits for which thread.
#[derive(Debug, Default)]
pub(crate) struct Watch {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    threads: HashMap<ThreadId, Vec<(u64, Waker)>>,
    places: u64,
    /// Threads of which the last news were of this log's own.
    written_here: HashSet<ThreadId>,
}

impl Watch {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// All who wait for `id`, to be woken when no lock is held: this log has written.
    pub(crate) fn take(&self, id: &ThreadId) -> impl Iterator<Item = Waker> + use<> {
        let mut state = self.state();
        let waiting = state.threads.remove(id);
        if waiting.is_some() {
            if state.written_here.len() >= REMEMBERED {
                state.written_here.clear();
            }
            state.written_here.insert(*id);
        }
        waiting
            .unwrap_or_default()
            .into_iter()
            .map(|(_, waker)| waker)
    }

    /// Wakes all who wait for `id`, for somebody else may have written.
    #[cfg(target_os = "linux")]
    pub(crate) fn wake_from_outside(&self, id: &ThreadId) {
        let waiting = self.state().threads.remove(id).unwrap_or_default();
        for (_, waker) in waiting {
            // A waker that panics is its owner's trouble, not that of others who wait for news.
            if catch_unwind(AssertUnwindSafe(|| waker.wake())).is_err() {
                tracing::warn!("the waker of somebody who waits for a thread panicked");
            }
        }
    }

    /// Takes a place among those who wait for `id`. Take it before looking whether there is something to
    /// wait for.
    pub(crate) fn place(&self, id: ThreadId) -> Place<'_> {
        let mut state = self.state();
        let number = state.places;
        state.places += 1;
        let waker = Waker::noop().clone();
        state.threads.entry(id).or_default().push((number, waker));
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
    /// True, once, if the last news were this log's own: it owns the session then, as a rule, and nobody
    /// else has news of it.
    pub(crate) fn is_written_here(&self) -> bool {
        self.watch.state().written_here.remove(&self.id)
    }

    /// Waits until the thread's waiters are woken, since this place was taken.
    pub(crate) async fn woken(&self) {
        poll_fn(|cx| {
            let mut state = self.watch.state();
            let waiting = state.threads.get_mut(&self.id);
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
        let mut state = self.watch.state();
        if let Some(waiting) = state.threads.get_mut(&self.id) {
            waiting.retain(|(number, _)| *number != self.number);
            if waiting.is_empty() {
                state.threads.remove(&self.id);
            }
        }
    }
}
