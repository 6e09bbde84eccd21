//! The thread of a bus that calls a sink that may block. It is started when there is something for it to do, and
//! ends when there was nothing for a while.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, OnceLock, PoisonError};
use std::thread;
use std::time::Duration;

use super::{Line, Stuck};
use crate::sinks::Wait;
use crate::sync::{Condvar, Mutex, MutexGuard};

/// How long it waits for more before it ends.
const LINGER: Duration = Duration::from_secs(1);

/// Where the thread is called. Most buses never have one.
#[derive(Default)]
pub(super) struct HandIn(OnceLock<Arc<Desk<Arc<Line>>>>);

/// What a line shares with its thread, which does not keep the line while it waits for work.
struct Desk<W> {
    state: Mutex<State<W>>,
    called: Condvar,
}

struct State<W> {
    /// There is a thread, and it will look here.
    is_served: bool,
    /// The line, if there is something to do.
    work: Option<W>,
}

impl HandIn {
    /// Has the thread hand in what was deferred. False if there is no thread to be had.
    pub(super) fn call(&self, line: &Arc<Line>) -> bool {
        let desk = self.0.get_or_init(|| Arc::new(Desk::new()));
        if desk.is_served_with(Arc::clone(line)) {
            return true;
        }
        let own = Arc::clone(desk);
        let thread = thread::Builder::new().name("bus-hand-in".into());
        if thread.spawn(move || own.serve()).is_ok() {
            return true;
        }
        desk.is_not_served();
        false
    }
}

impl Desk<Arc<Line>> {
    fn serve(&self) {
        while let Some(line) = self.next() {
            // What is dropped in there may be somebody else's: if it panics, there may be more to do.
            let pump = || line.pump_by(Wait::InSubmit);
            let stuck = catch_unwind(AssertUnwindSafe(pump)).unwrap_or(Some(Stuck::MayBlock));
            let _ = catch_unwind(AssertUnwindSafe(move || {
                if let Some(stuck) = stuck {
                    line.leave_to_others(&stuck);
                }
                drop(line);
            }));
        }
    }
}

impl<W> Desk<W> {
    fn new() -> Self {
        Self {
            state: Mutex::new(State {
                is_served: false,
                work: None,
            }),
            called: Condvar::new(),
        }
    }

    /// Leaves work for whoever serves the desk. False if nobody does: the caller is to find somebody.
    fn is_served_with(&self, work: W) -> bool {
        let mut state = self.lock();
        let before = state.work.replace(work);
        let is_served = std::mem::replace(&mut state.is_served, true);
        drop(state);
        drop(before);
        if is_served {
            self.called.notify_one();
        }
        is_served
    }

    /// There was nobody to be found.
    fn is_not_served(&self) {
        let mut state = self.lock();
        state.is_served = false;
        let work = state.work.take();
        drop(state);
        drop(work);
    }

    /// What there is to do. `None` if there was nothing for a while: whoever asks serves no more.
    fn next(&self) -> Option<W> {
        let mut state = self.wait();
        let work = state.work.take();
        state.is_served = work.is_some();
        work
    }

    #[cfg(not(loom))]
    fn wait(&self) -> MutexGuard<'_, State<W>> {
        let is_idle = |state: &mut State<W>| state.work.is_none();
        let waited = self.called.wait_timeout_while(self.lock(), LINGER, is_idle);
        waited.unwrap_or_else(PoisonError::into_inner).0
    }

    /// In models the while is over at once.
    #[cfg(loom)]
    fn wait(&self) -> MutexGuard<'_, State<W>> {
        let _ = LINGER;
        self.lock()
    }

    fn lock(&self) -> MutexGuard<'_, State<W>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(all(test, loom))]
mod models;
