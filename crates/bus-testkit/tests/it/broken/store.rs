//! A store that outlives its handles, sound or broken.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bus_log::{InMemorySessionLog, LogError, Result, SessionLog};
use bus_testkit::{Ability, Harness, Profile};
use tempfile::TempDir;

use super::mirrored::Mirror;
use bus_testkit::{Tamper, Tampered};

type Open = Box<dyn Fn(Arc<dyn SessionLog>) -> Arc<dyn SessionLog> + Send + Sync>;

/// An in-memory log that stays when its handles go, with its bytes in a directory, so that no part
/// of any law need be skipped.
pub(crate) struct Store {
    profile: Profile,
    mirror: Arc<Mirror>,
    log: Arc<dyn SessionLog>,
    open: Open,
    failing: fn() -> LogError,
    /// Whether it is locked at the first open, and never let go.
    locks: bool,
    locked: AtomicBool,
    directory: TempDir,
}

impl Store {
    pub(crate) fn sound() -> Self {
        let sound = Self::broken(Tamper::new);
        Self {
            profile: Profile::new("store", "is in the store"),
            ..sound
        }
    }

    /// A store whose every handle is broken in a way of its own.
    pub(crate) fn broken<S: Send + Sync + 'static>(
        tamper: impl Fn() -> Tamper<S> + Send + Sync + 'static,
    ) -> Self {
        let directory = TempDir::new().unwrap();
        let mirror = Mirror::in_directory(directory.path());
        let short = Duration::from_secs(2);
        Self {
            profile: Profile::new("broken", "is in the store").with_patience(short),
            log: mirror.log(),
            mirror,
            open: Box::new(move |log| Arc::new(Tampered::new(tamper(), Arc::new(log)))),
            failing: || LogError::unavailable("disk refuses").with_source(io::Error::other("full")),
            locks: false,
            locked: AtomicBool::new(false),
            directory,
        }
    }

    /// The same with what its profile says changed.
    pub(crate) fn cannot(self, ability: Ability) -> Self {
        Self {
            profile: self
                .profile
                .cannot(ability, "so that another part must catch it"),
            ..self
        }
    }

    /// The same with a lower limit for events, which makes for shorter tests.
    pub(crate) fn limited_to(self, bytes: usize) -> Self {
        self.mirror.limit.store(bytes, Ordering::Relaxed);
        Self {
            profile: self.profile.with_max_event_bytes(bytes),
            ..self
        }
    }

    pub(crate) fn with_model_cases(self, cases: u32) -> Self {
        Self {
            profile: self.profile.with_model_cases(cases),
            ..self
        }
    }

    pub(crate) fn with_profile(self, profile: Profile) -> Self {
        Self { profile, ..self }
    }

    /// The same with a copy of every event that no erase touches.
    pub(crate) fn with_a_forgotten_journal(self) -> Self {
        self.mirror.journals.store(true, Ordering::Relaxed);
        self
    }

    /// The same with a lock that is not let go when the log is dropped.
    pub(crate) fn with_a_lock_that_stays(self) -> Self {
        Self {
            locks: true,
            ..self
        }
    }

    /// The same with another error where the medium refuses.
    pub(crate) fn failing_with(self, failing: fn() -> LogError) -> Self {
        Self { failing, ..self }
    }
}

impl Harness for Store {
    fn profile(&self) -> Profile {
        self.profile.clone()
    }

    fn open(&self) -> Result<Arc<dyn SessionLog>> {
        if self.locks && self.locked.swap(true, Ordering::Relaxed) {
            return Err(LogError::busy("a handle that is gone"));
        }
        Ok((self.open)(self.log.clone()))
    }

    fn open_second(&self) -> Option<Result<Arc<dyn SessionLog>>> {
        Some(self.open())
    }

    fn open_failing(&self) -> Option<Arc<dyn SessionLog>> {
        let failing = self.failing;
        let refusing = Tamper::with(failing)
            .on_append(|failing, _, _, _, _| Box::pin(async move { Err(failing()) }));
        Some(Arc::new(Tampered::new(
            refusing,
            Arc::new(InMemorySessionLog::new()),
        )))
    }

    fn directory(&self) -> Option<PathBuf> {
        Some(self.directory.path().to_owned())
    }
}
