//! What a script puts in the way of session files, where a fault at some change would hardly ever strike.

use std::io;
use std::path::Path;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

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
        self.state().held = held;
        self.changed.notify_all();
    }

    /// Syncs that wait.
    pub(super) fn waiting(&self) -> usize {
        self.state().waiting
    }

    /// Comes before a write.
    pub(super) fn before_write(&self, path: &Path) -> io::Result<()> {
        const ENOSPC: i32 = 28;
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let state = self.state();
        match &state.refused {
            Some(prefix) if is_session(path) && name.starts_with(prefix) => {
                Err(io::Error::from_raw_os_error(ENOSPC))
            }
            _ => Ok(()),
        }
    }

    /// Comes before a sync.
    pub(super) fn before_sync(&self, path: &Path) {
        if !is_session(path) {
            return;
        }
        let mut state = self.state();
        state.waiting += 1;
        while state.held {
            state = self
                .changed
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
        state.waiting -= 1;
    }
}

fn is_session(path: &Path) -> bool {
    path.extension().is_some_and(|kind| kind == "jsonl")
}
