//! Telling those who wait, in the order of the groups, by one thread at a time and under no lock.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::task::Waker;
use std::time::Duration;

use bus_log::{Completer, Result, TicketOutcome};

/// How long a callback that waits for a ticket waits before it looks again whether it is to work.
const WITHIN: Duration = Duration::from_millis(5);

/// Something that runs somebody else's code.
#[derive(Debug)]
pub(super) enum Item {
    Outcome(Completer, Result<Option<u64>>),
    Wake(Waker),
}

/// What is to be told.
#[derive(Debug, Default)]
pub(super) struct Tell {
    state: Mutex<State>,
    /// Who tells. From within a callback it may tell on. Changed under the lock; only a thread itself
    /// recognises its own name, so that no ordering is needed to look.
    teller: AtomicUsize,
    /// Several are being told, who may come back at once with more to commit.
    busy: AtomicBool,
    /// Something came while a callback waits for it.
    came: Condvar,
}

#[derive(Debug, Default)]
struct State {
    items: VecDeque<Item>,
    /// The teller waits, in a callback.
    waits: bool,
}

/// What became of the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Told {
    /// It is empty, or another thread tells.
    All,
    /// There is more, and nobody tells it: the caller has done its share.
    Share,
}

impl Tell {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds what is to be told.
    pub(super) fn push(&self, items: impl IntoIterator<Item = Item>) {
        let mut state = self.state();
        state.items.extend(items);
        if state.waits {
            self.came.notify_all();
        }
    }

    /// Whether this thread is telling: it is in a callback.
    pub(super) fn is_me(&self) -> bool {
        let teller = self.teller.load(Ordering::Relaxed);
        teller != 0 && teller == name_of_thread()
    }

    /// Whether it is worth while to wait with the next group until those are back who are being told.
    /// Whoever tells them looks at the queue afterwards.
    pub(super) fn is_busy(&self) -> bool {
        self.busy.load(Ordering::SeqCst)
    }

    /// Tells what there is, unless another thread does. One that has other things to do tells no more
    /// than there was when it came.
    pub(super) fn tell(&self, all: bool) -> Told {
        let within = self.is_me();
        let mut state = self.state();
        if state.items.is_empty() || (!within && self.teller.load(Ordering::Relaxed) != 0) {
            return Told::All;
        }
        self.teller.store(name_of_thread(), Ordering::Relaxed);
        let mut share = if all { usize::MAX } else { state.items.len() };
        while share > 0
            && let Some(item) = state.items.pop_front()
        {
            self.busy.store(state.items.len() > 1, Ordering::SeqCst);
            drop(state);
            tell(item);
            share -= 1;
            state = self.state();
        }
        self.busy.store(false, Ordering::SeqCst);
        if !within {
            self.teller.store(0, Ordering::Relaxed);
        }
        if state.items.is_empty() || within {
            Told::All
        } else {
            Told::Share
        }
    }

    /// For a callback that waits for a ticket which another thread commits: waits until there is
    /// something to tell.
    pub(super) fn wait_within(&self) {
        let mut state = self.state();
        if state.items.is_empty() {
            state.waits = true;
            state = self
                .came
                .wait_timeout(state, WITHIN)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
            state.waits = false;
        }
    }
}

/// A number that no other living thread has; 0 on a thread that is ending.
fn name_of_thread() -> usize {
    thread_local! {
        static HERE: u8 = const { 0 };
    }
    HERE.try_with(|here| std::ptr::from_ref(here).addr())
        .unwrap_or(0)
}

/// A callback that panics is its owner's trouble, not the log's.
fn tell(item: Item) {
    let told = catch_unwind(AssertUnwindSafe(|| match item {
        Item::Outcome(reply, outcome) => {
            let outcome: TicketOutcome = outcome.map_err(Into::into);
            reply.complete(outcome);
        }
        Item::Wake(waker) => waker.wake(),
    }));
    if told.is_err() {
        tracing::warn!("a callback of a ticket panicked");
    }
}
