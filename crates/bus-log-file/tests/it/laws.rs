//! The laws of every session log, on this one.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bus_log::{Result, SessionLog};
use bus_log_file::{Durability, FileLogConfig, FileSessionLog};
use bus_testkit::{Ability, Harness, Profile};
use tempfile::TempDir;

struct FileHarness {
    dir: TempDir,
    durability: Durability,
}

impl FileHarness {
    fn new() -> Self {
        Self::with(Durability::Sync)
    }

    fn interval() -> Self {
        Self::with(Durability::Interval(Duration::from_millis(10)))
    }

    fn os() -> Self {
        Self::with(Durability::Os)
    }

    fn with(durability: Durability) -> Self {
        Self {
            dir: tempfile::tempdir().unwrap(),
            durability,
        }
    }

    fn open_at(&self, name: &str) -> Result<FileSessionLog> {
        let config = FileLogConfig::default().with_durability(self.durability);
        FileSessionLog::open_with(self.dir.path().join(name), config)
    }
}

impl Harness for FileHarness {
    fn profile(&self) -> Profile {
        let profile = Profile::new("file", "is past fdatasync in the journal");
        if self.durability == Durability::Sync {
            return profile;
        }
        Profile::new("file", "has its place, and is kept but for a crash")
            .cannot(
                Ability::SecondHandle,
                "others see what is durable, which is later",
            )
            .cannot(
                Ability::SecondWriter,
                "others see what is durable, which is later",
            )
    }

    fn open(&self) -> Result<Arc<dyn SessionLog>> {
        Ok(Arc::new(self.open_at("log")?))
    }

    fn open_second(&self) -> Option<Result<Arc<dyn SessionLog>>> {
        (self.durability == Durability::Sync).then(|| self.open())
    }

    /// Its journal's folder can't be made: a file has its place.
    fn open_failing(&self) -> Option<Arc<dyn SessionLog>> {
        let dir = self.dir.path().join("failing");
        let log = self.open_at("failing").unwrap();
        fs::remove_dir(dir.join("journal")).unwrap();
        fs::write(dir.join("journal"), "").unwrap();
        Some(Arc::new(log))
    }

    fn directory(&self) -> Option<PathBuf> {
        Some(self.dir.path().join("log"))
    }
}

bus_testkit::laws!(file, FileHarness::new);
bus_testkit::laws!(interval, FileHarness::interval);
bus_testkit::laws!(os, FileHarness::os);
bus_testkit::laws!(shipping, crate::shipping::Shipped::new);
