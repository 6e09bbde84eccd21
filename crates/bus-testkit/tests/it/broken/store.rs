//! A store that outlives its handles, sound or broken.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bus_log::{
    Entry, Expect, InMemorySessionLog, LogError, Result, SessionLog, ThreadKey, async_trait,
};
use bus_testkit::{Harness, Profile};
use tempfile::TempDir;

use super::mirrored::Mirrored;
use super::tamper::Tampered;
use super::{Sound, Tamper};

type Open = Box<dyn Fn(Arc<Mirrored>) -> Arc<dyn SessionLog> + Send + Sync>;

/// An in-memory log that stays when its handles go, with its bytes in a directory, so that no part
/// of any law need be skipped.
pub(crate) struct Store {
    name: &'static str,
    log: Arc<Mirrored>,
    open: Open,
    failing: fn() -> LogError,
    directory: TempDir,
}

impl Store {
    pub(crate) fn sound() -> Self {
        Self {
            name: "store",
            ..Self::broken(|| Sound)
        }
    }

    /// A store whose every handle is broken as `tamper` says.
    pub(crate) fn broken<T: Tamper>(tamper: impl Fn() -> T + Send + Sync + 'static) -> Self {
        let directory = TempDir::new().unwrap();
        Self {
            name: "broken",
            log: Arc::new(Mirrored::in_directory(directory.path())),
            open: Box::new(move |log| {
                let tamper = tamper();
                Arc::new(Tampered { tamper, log })
            }),
            failing: || LogError::unavailable("disk refuses").with_source(io::Error::other("full")),
            directory,
        }
    }

    /// The same with a copy of every event that no erase touches.
    pub(crate) fn with_a_forgotten_journal(self) -> Self {
        self.log.journals.store(true, Ordering::Relaxed);
        self
    }

    /// The same with another error where the medium refuses.
    pub(crate) fn failing_with(self, failing: fn() -> LogError) -> Self {
        Self { failing, ..self }
    }
}

impl Harness for Store {
    fn profile(&self) -> Profile {
        let patience = if self.name == "broken" { 2 } else { 20 };
        Profile::new(self.name, "is in the store").with_patience(Duration::from_secs(patience))
    }

    fn open(&self) -> Result<Arc<dyn SessionLog>> {
        Ok((self.open)(self.log.clone()))
    }

    fn open_second(&self) -> Option<Result<Arc<dyn SessionLog>>> {
        Some(self.open())
    }

    fn open_failing(&self) -> Option<Arc<dyn SessionLog>> {
        Some(Arc::new(Tampered {
            tamper: Refusing(self.failing),
            log: InMemorySessionLog::new(),
        }))
    }

    fn directory(&self) -> Option<PathBuf> {
        Some(self.directory.path().to_owned())
    }
}

struct Refusing(fn() -> LogError);

#[async_trait]
impl Tamper for Refusing {
    async fn append_entries(
        &self,
        _: &dyn SessionLog,
        _: &ThreadKey,
        _: Expect,
        _: &[Entry],
    ) -> Result<u64> {
        Err((self.0)())
    }
}
