//! Starting a log's thread, for which a machine may have no room.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::runtime::Handle;

/// How long nobody asks again for a thread that could not be started: a machine that has none to give would be asked for
/// every record.
pub(super) const PAUSE: Duration = Duration::from_secs(1);

/// The same for an event that somebody waits for, and that is not durable without.
pub(super) const SHORT_PAUSE: Duration = Duration::from_millis(10);

/// Whether the thread was started, and why not.
#[derive(Debug, Default)]
pub(super) struct Start {
    state: Mutex<State>,
    /// Whether it runs, to be asked for every record: once it does, it does so until nobody is left to ask.
    runs: AtomicBool,
}

#[derive(Debug, Default)]
struct State {
    /// Where to start a key's writer, once the thread runs.
    handle: Option<Handle>,
    refused: Option<Refused>,
    /// When it was said that it could not be started.
    said: Option<Instant>,
}

/// The last time that it could not be started.
#[derive(Debug)]
struct Refused {
    at: Instant,
    kind: io::ErrorKind,
}

impl Start {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn runs(&self) -> bool {
        self.runs.load(Ordering::Acquire)
    }

    /// Says why it does not run, if it does not. Starts nothing, and does not wait for whoever does: callers may hold locks of
    /// their own.
    pub(super) fn runs_or_why(&self) -> io::Result<()> {
        if self.runs() {
            return Ok(());
        }
        let state = self.state.try_lock().ok();
        let refused = state.as_ref().and_then(|state| state.refused.as_ref());
        let kind = refused.map_or(io::ErrorKind::WouldBlock, |refused| refused.kind);
        Err(kind.into())
    }

    /// Has it started by `spawn`, unless it runs, or could not be started so short a time ago.
    pub(super) fn ensure(
        &self,
        pause: Duration,
        spawn: impl FnOnce() -> io::Result<Handle>,
    ) -> io::Result<()> {
        if self.runs() {
            return Ok(());
        }
        let mut state = self.state();
        // Somebody else may have been faster.
        if self.runs() {
            return Ok(());
        }
        if let Some(refused) = &state.refused
            && refused.at.elapsed() < pause
        {
            return Err(refused.kind.into());
        }
        match spawn() {
            Ok(handle) => {
                state.handle = Some(handle);
                state.refused = None;
                self.runs.store(true, Ordering::Release);
                Ok(())
            }
            Err(error) => {
                state.refused = Some(Refused {
                    at: Instant::now(),
                    kind: error.kind(),
                });
                Err(error)
            }
        }
    }

    /// True for one caller after it could not be started, once a [`PAUSE`] at most: for events it may be asked for every few
    /// milliseconds.
    pub(super) fn is_to_be_said(&self) -> bool {
        let mut state = self.state();
        let said = state.said.is_some_and(|at| at.elapsed() < PAUSE);
        let is_to_be = state.refused.is_some() && !said;
        if is_to_be {
            state.said = Some(Instant::now());
        }
        is_to_be
    }

    pub(super) fn handle(&self) -> Option<Handle> {
        self.state().handle.clone()
    }

    pub(super) fn take_handle(&self) -> Option<Handle> {
        self.state().handle.take()
    }

    /// Has it asked for again, as if the time had passed.
    #[cfg(test)]
    pub(super) fn forget_when(&self) {
        let mut state = self.state();
        let Some(long_ago) = Instant::now().checked_sub(PAUSE) else {
            return;
        };
        state.said = state.said.map(|_| long_ago);
        if let Some(refused) = &mut state.refused {
            refused.at = long_ago;
        }
    }
}
