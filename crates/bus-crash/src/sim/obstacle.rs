//! What a script puts in the way of session files, where a fault at some change would hardly ever strike.

use std::io;
use std::path::Path;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

/// What stands in the way now.
#[derive(Debug, Default)]
pub(super) struct Obstacles {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// Files whose names begin like this take no write.
    refused: Option<String>,
    /// Syncs of session files wait.
    held: bool,
    /// The next sync in the background of a file whose name begins like this fails.
    losing: Option<String>,
    /// Whoever asked for it is not told yet.
    untold: bool,
    waiting: usize,
}

impl Obstacles {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has writes into files refused whose names begin with `prefix`; into none if there is none.
    pub(super) fn refuse(&self, prefix: Option<String>) {
        self.state().refused = prefix;
    }

    /// Has syncs of session files wait, or lets them go.
    pub(super) fn hold(&self, held: bool) {
        let mut state = self.state();
        state.held = held;
        state.untold &= held;
        drop(state);
        self.changed.notify_all();
    }

    /// Has the next sync in the background fail of a file whose name begins with `prefix`, and nobody told so before syncs
    /// are let go.
    pub(super) fn lose(&self, prefix: String) {
        let mut state = self.state();
        state.losing = Some(prefix);
        state.untold = true;
    }

    /// Syncs that wait.
    pub(super) fn waiting(&self) -> usize {
        self.state().waiting
    }

    /// Comes before a write.
    pub(super) fn before_write(&self, path: &Path) -> io::Result<()> {
        const ENOSPC: i32 = 28;
        match is_meant(&self.state().refused, path) {
            true => Err(io::Error::from_raw_os_error(ENOSPC)),
            false => Ok(()),
        }
    }

    /// Comes before a sync. True if that is to fail.
    pub(super) fn before_sync(&self, path: &Path) -> bool {
        if !is_session(path) {
            return false;
        }
        let mut state = self.wait_while(|state| state.held);
        // Whoever else syncs a session file has all others wait.
        let background = thread::current().name() == Some("bus-file-keeper");
        let loses = background && is_meant(&state.losing, path);
        if loses {
            state.losing = None;
        }
        loses
    }

    /// Comes after a sync that failed: what is told of it, at last.
    pub(super) fn after_loss(&self) -> io::Error {
        const EIO: i32 = 5;
        drop(self.wait_while(|state| state.untold));
        io::Error::from_raw_os_error(EIO)
    }

    fn wait_while(&self, waits: impl Fn(&State) -> bool) -> MutexGuard<'_, State> {
        let mut state = self.state();
        state.waiting += 1;
        while waits(&state) {
            state = self
                .changed
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
        state.waiting -= 1;
        state
    }
}

fn is_session(path: &Path) -> bool {
    path.extension().is_some_and(|kind| kind == "jsonl")
}

fn is_meant(prefix: &Option<String>, path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    is_session(path)
        && prefix
            .as_ref()
            .is_some_and(|prefix| name.starts_with(prefix))
}
