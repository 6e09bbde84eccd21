//! How the laws get hold of a log.

use std::path::PathBuf;
use std::sync::Arc;

use bus_log::{InMemorySessionLog, Result, SessionLog};

use crate::{Ability, Profile};

/// One store of a backend, empty at first, and the ways to open it.
///
/// A law gets a harness of its own; when the harness is dropped, the store may go.
///
/// ```
/// use std::sync::Arc;
/// use bus_log::{InMemorySessionLog, Result, SessionLog};
/// use bus_testkit::{Ability, Harness, Profile};
///
/// struct Memory(Arc<InMemorySessionLog>);
///
/// impl Harness for Memory {
///     fn profile(&self) -> Profile {
///         Profile::new("memory", "is in this process's memory")
///             .cannot(Ability::Reopen, "nothing outlives the process")
///             .cannot(Ability::SecondHandle, "another process can't see it")
///             .cannot(Ability::SecondWriter, "another process can't see it")
///             .cannot(Ability::ByteSearch, "it has no directory")
///             .cannot(Ability::Failing, "it has no medium")
///     }
///
///     fn open(&self) -> Result<Arc<dyn SessionLog>> {
///         Ok(self.0.clone())
///     }
/// }
///
/// let memory = Memory(Arc::new(InMemorySessionLog::new()));
/// bus_testkit::laws::a1_ordinals_count_from_one(&memory);
/// ```
pub trait Harness: Send + Sync {
    /// What the log says of itself.
    fn profile(&self) -> Profile;

    /// Opens the store, the same one each time. No other handle is open then.
    ///
    /// # Errors
    ///
    /// Whatever the log's own `open` gives; the law that asked for it fails.
    fn open(&self) -> Result<Arc<dyn SessionLog>>;

    /// Opens the store once more while it is open, as another process would; `None` if it can't
    /// be, which the profile must say ([`Ability::SecondHandle`]).
    fn open_second(&self) -> Option<Result<Arc<dyn SessionLog>>> {
        None
    }

    /// Opens a log whose medium refuses every write, for what its errors say; `None` if that can't
    /// be had, which the profile must say ([`Ability::Failing`]).
    fn open_failing(&self) -> Option<Arc<dyn SessionLog>> {
        None
    }

    /// Where all its bytes are; `None` if that is not a directory, which the profile must say
    /// ([`Ability::ByteSearch`]).
    fn directory(&self) -> Option<PathBuf> {
        None
    }
}

/// The in-memory log, which ends with its last handle.
#[derive(Debug, Default)]
pub struct MemoryHarness(Arc<InMemorySessionLog>);

impl MemoryHarness {
    /// An empty log.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }
}

impl Harness for MemoryHarness {
    fn profile(&self) -> Profile {
        Profile::new("memory", "is in this process's memory")
            .cannot(Ability::Reopen, "nothing outlives the process")
            .cannot(Ability::SecondHandle, "no other process can see it")
            .cannot(Ability::SecondWriter, "no other process can see it")
            .cannot(Ability::ByteSearch, "it has no directory")
            .cannot(Ability::Failing, "it has no medium")
            .with_model_cases(128)
    }

    fn open(&self) -> Result<Arc<dyn SessionLog>> {
        Ok(self.0.clone())
    }
}

/// Another harness's log behind one more pointer: the trait object must keep the laws too.
#[derive(Debug)]
pub struct Behind<H> {
    harness: H,
    name: &'static str,
    wrap: fn(Arc<dyn SessionLog>) -> Arc<dyn SessionLog>,
}

impl<H: Harness> Behind<H> {
    /// Behind a `Box<dyn SessionLog>`.
    #[must_use]
    pub fn boxed(harness: H) -> Self {
        Self {
            harness,
            name: "a boxed log",
            wrap: |log| {
                let boxed: Box<dyn SessionLog> = Box::new(log);
                Arc::new(boxed)
            },
        }
    }

    /// Behind an `Arc<Arc<dyn SessionLog>>`.
    #[must_use]
    pub fn shared_twice(harness: H) -> Self {
        Self {
            harness,
            name: "a log shared twice",
            wrap: |log| Arc::new(log),
        }
    }
}

impl<H: Harness> Harness for Behind<H> {
    fn profile(&self) -> Profile {
        self.harness.profile().named(self.name)
    }

    fn open(&self) -> Result<Arc<dyn SessionLog>> {
        self.harness.open().map(self.wrap)
    }

    fn open_second(&self) -> Option<Result<Arc<dyn SessionLog>>> {
        Some(self.harness.open_second()?.map(self.wrap))
    }

    fn open_failing(&self) -> Option<Arc<dyn SessionLog>> {
        self.harness.open_failing().map(self.wrap)
    }

    fn directory(&self) -> Option<PathBuf> {
        self.harness.directory()
    }
}
