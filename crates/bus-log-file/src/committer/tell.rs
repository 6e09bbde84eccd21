//! Telling those who wait, in the order of the groups, by one thread at a time and under no lock.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::Waker;
use std::time::Duration;

use bus_log::{Completer, LogError, Result, TicketOutcome};

use super::queue::Closed;

/// How long a callback that waits for a ticket waits before it looks again whether it is to work.
const WITHIN: Duration = Duration::from_millis(5);

/// Something that runs somebody else's code.
#[derive(Debug)]
pub(super) enum Item {
    Outcome(Completer, Result<Option<u64>>),
    Wake(Waker),
}

impl Item {
    /// Whether it goes to somebody who waits for it and calls no callback: those are called in their order, and
    /// one after another.
    fn is_awaited(&self) -> bool {
        match self {
            Self::Outcome(reply, _) => reply.is_awaited(),
            Self::Wake(_) => true,
        }
    }
}

/// Who is to be told what came of a request. Dropped without that, by a panic, it has it said that the log is closed, once
/// that can be: whoever drops it may hold locks, and what is told may wait for something.
#[derive(Debug)]
pub(crate) struct Reply {
    completer: Option<Completer>,
    tell: Arc<Tell>,
}

impl Reply {
    /// One and its ticket, of no log.
    #[cfg(test)]
    pub(super) fn pending() -> (bus_log::Ticket, Self) {
        let (ticket, completer) = bus_log::Ticket::pending();
        (ticket, Arc::<Tell>::default().reply(completer))
    }

    /// The request was not taken: whoever asked knows, and has the ticket still.
    pub(super) fn forget(mut self) {
        drop(self.completer.take());
    }

    /// What is to be told then.
    pub(super) fn with(mut self, outcome: Result<Option<u64>>) -> Option<Item> {
        let completer = self.completer.take()?;
        Some(Item::Outcome(completer, outcome))
    }
}

impl Drop for Reply {
    fn drop(&mut self) {
        let closed = Err(Closed::Failed.into());
        if let Some(completer) = self.completer.take() {
            self.tell.push([Item::Outcome(completer, closed)]);
        }
    }
}

/// What is to be told.
#[derive(Debug, Default)]
pub(super) struct Tell {
    state: Mutex<State>,
    /// Who tells. Changed under the lock; only a thread itself
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
    /// How often something was added.
    pushes: u64,
    /// The teller waits, in a callback.
    waits: bool,
    /// The callback that is just called may wait by polling: those who wait are told by others.
    polls: bool,
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

    /// The one that a ticket waits for.
    pub(super) fn reply(self: &Arc<Self>, completer: Completer) -> Reply {
        Reply {
            completer: Some(completer),
            tell: Arc::clone(self),
        }
    }

    /// Adds what is to be told.
    pub(super) fn push(&self, items: impl IntoIterator<Item = Item>) {
        let mut state = self.state();
        state.items.extend(items);
        state.pushes += 1;
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
        let mut state = self.state();
        if self.teller.load(Ordering::Relaxed) != 0 {
            if state.polls {
                self.tell_awaited_of(state);
            }
            return Told::All;
        }
        if state.items.is_empty() {
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
            state.polls = false;
        }
        self.busy.store(false, Ordering::SeqCst);
        self.teller.store(0, Ordering::Relaxed);
        if state.items.is_empty() {
            Told::All
        } else {
            Told::Share
        }
    }

    /// Tells those who wait, past the callbacks that are to be called before. So a callback that waits for a
    /// ticket runs no other one, which might wait too, on the same stack. Returns how often something was
    /// added up to now.
    pub(super) fn tell_awaited(&self) -> u64 {
        self.tell_awaited_of(self.state())
    }

    fn tell_awaited_of(&self, mut state: MutexGuard<'_, State>) -> u64 {
        let pushes = state.pushes;
        let (now, later) = state.items.drain(..).partition(Item::is_awaited);
        state.items = later;
        drop(state);
        // Who is told may commit: nobody tells them to wait for others.
        self.busy.store(false, Ordering::SeqCst);
        let now: VecDeque<Item> = now;
        now.into_iter().for_each(tell);
        pushes
    }

    /// For a callback that waits until another one was called, which this thread has to do: tells on until
    /// then, or until there is no more. Returns how often something was added up to now.
    pub(super) fn tell_until(&self, told: &dyn Fn() -> bool) -> u64 {
        self.busy.store(false, Ordering::SeqCst);
        loop {
            let mut state = self.state();
            let pushes = state.pushes;
            let item = if told() {
                None
            } else {
                state.items.pop_front()
            };
            drop(state);
            match item {
                Some(item) => tell(item),
                None => return pushes,
            }
        }
    }

    /// Notes that this thread, in a callback, may wait by polling.
    pub(super) fn polls(&self) {
        self.state().polls = true;
    }

    /// For a callback that waits for what another thread commits: waits until something is added to what
    /// was there at `pushes`.
    pub(super) fn wait_within(&self, pushes: u64) {
        let mut state = self.state();
        if state.pushes == pushes {
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

/// What was told, as this crate's error again.
pub(crate) fn outcome(told: TicketOutcome) -> Result<Option<u64>> {
    told.map_err(|error| match error.downcast::<LogError>() {
        Ok(error) => error,
        Err(error) => LogError::closed("its writer panicked; open it again").with_source(error),
    })
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
