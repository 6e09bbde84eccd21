//! The thread of a bus that calls a sink that may block. It is started when there is something for it to do, and
//! ends when there was nothing for a while.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, OnceLock, PoisonError};
use std::thread;
use std::time::Duration;

use super::{Line, Stuck, lock};
use crate::sinks::Wait;

/// How long it waits for more before it ends.
const LINGER: Duration = Duration::from_secs(1);

/// Where the thread is called. Most buses never have one.
#[derive(Default)]
pub(super) struct HandIn(OnceLock<Arc<Desk>>);

/// What a line shares with its thread, which does not keep the line while it waits for work.
#[derive(Default)]
struct Desk {
    state: Mutex<State>,
    called: Condvar,
}

#[derive(Default)]
struct State {
    /// There is a thread, and it will look here.
    is_served: bool,
    /// The line, if there is something to do.
    line: Option<Arc<Line>>,
}

impl HandIn {
    /// Has the thread hand in what was deferred. False if there is no thread to be had.
    pub(super) fn call(&self, line: &Arc<Line>) -> bool {
        let desk = self.0.get_or_init(Arc::default);
        let mut state = lock(&desk.state);
        let before = state.line.replace(Arc::clone(line));
        let is_served = std::mem::replace(&mut state.is_served, true);
        drop(state);
        drop(before);
        if is_served {
            desk.called.notify_one();
            return true;
        }
        let own = Arc::clone(desk);
        let thread = thread::Builder::new().name("bus-hand-in".into());
        if thread.spawn(move || own.serve()).is_ok() {
            return true;
        }
        let mut state = lock(&desk.state);
        state.is_served = false;
        let line = state.line.take();
        drop(state);
        drop(line);
        false
    }
}

impl Desk {
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

    fn next(&self) -> Option<Arc<Line>> {
        let state = lock(&self.state);
        let is_idle = |state: &mut State| state.line.is_none();
        let waited = self.called.wait_timeout_while(state, LINGER, is_idle);
        let (mut state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        let line = state.line.take();
        state.is_served = line.is_some();
        line
    }
}
