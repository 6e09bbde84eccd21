//! News of what other processes write.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::Watch;
use super::inotify::Kernel;
use crate::layout::{Layout, ThreadId, ThreadPaths};

/// How long the kernel is left alone after it refused: its limits are shared by all that the user runs.
const REFUSED: Duration = Duration::from_secs(10);

/// Asks the kernel to wake waiters when others write. It is asked with the first who waits, once for
/// all who wait for a thread, and only as long as somebody does. Dropping this joins its thread.
#[derive(Debug)]
pub(crate) struct News {
    /// The folder of the tenants' folders.
    root: PathBuf,
    watch: Arc<Watch>,
    state: Mutex<State>,
}

#[derive(Debug)]
enum State {
    /// It must not be asked, or can't tell.
    Never,
    Ask {
        kernel: Option<Arc<Kernel>>,
        /// Not before this time.
        not_before: Option<Instant>,
    },
}

impl News {
    pub(crate) fn new(layout: &Layout, wanted: bool, watch: Arc<Watch>) -> Self {
        let state = match wanted {
            false => State::Never,
            true => State::Ask {
                kernel: None,
                not_before: None,
            },
        };
        Self {
            root: layout.threads(),
            watch,
            state: Mutex::new(state),
        }
    }

    /// Has the waiters of `id` woken at every change of its file, as long as what is returned lives;
    /// `None` if that can't be had: then somebody must look.
    pub(crate) fn of(&self, id: ThreadId, paths: impl FnOnce() -> ThreadPaths) -> Option<Told> {
        let kernel = self.kernel()?;
        match kernel.arm(id, &paths()) {
            Ok(()) => Some(Told { kernel, id }),
            Err(error) => {
                tracing::debug!(%error, "a session file can't be watched, so it is looked at");
                self.refused();
                None
            }
        }
    }

    fn kernel(&self) -> Option<Arc<Kernel>> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let State::Ask { kernel, not_before } = &mut *state else {
            return None;
        };
        if not_before.is_some_and(|time| Instant::now() < time) {
            return None;
        }
        if kernel.as_ref().is_some_and(|kernel| kernel.is_over()) {
            // Dropping it joins a thread that has ended.
            *kernel = None;
            *not_before = Some(Instant::now() + REFUSED);
            return None;
        }
        if let Some(kernel) = kernel {
            return Some(Arc::clone(kernel));
        }
        if !Kernel::tells(&self.root) {
            *state = State::Never;
            return None;
        }
        match Kernel::start(&self.root, Arc::clone(&self.watch)) {
            Ok(started) => Some(Arc::clone(kernel.insert(Arc::new(started)))),
            Err(error) => {
                tracing::debug!(%error, "the kernel tells no news, so files are looked at");
                *not_before = Some(Instant::now() + REFUSED);
                None
            }
        }
    }

    fn refused(&self) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if let State::Ask { not_before, .. } = &mut *state {
            *not_before = Some(Instant::now() + REFUSED);
        }
    }

    /// How many files and folders are watched.
    #[cfg(test)]
    pub(crate) fn watched(&self) -> usize {
        match &*self.state.lock().unwrap() {
            State::Ask {
                kernel: Some(kernel),
                ..
            } => kernel.watched(),
            _ => 0,
        }
    }
}

/// Somebody waits for a thread, and is told.
#[derive(Debug)]
pub(crate) struct Told {
    kernel: Arc<Kernel>,
    id: ThreadId,
}

impl Drop for Told {
    fn drop(&mut self) {
        self.kernel.disarm(&self.id);
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests;
