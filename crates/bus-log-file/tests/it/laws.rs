//! The laws of every session log, on this one.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use bus_log::{Result, SessionLog};
use bus_log_file::FileSessionLog;
use bus_testkit::{Harness, Profile};
use tempfile::TempDir;

struct FileHarness(TempDir);

impl FileHarness {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }
}

impl Harness for FileHarness {
    fn profile(&self) -> Profile {
        Profile::new("file", "is past fdatasync in the journal")
    }

    fn open(&self) -> Result<Arc<dyn SessionLog>> {
        Ok(Arc::new(FileSessionLog::open(self.0.path().join("log"))?))
    }

    fn open_second(&self) -> Option<Result<Arc<dyn SessionLog>>> {
        Some(self.open())
    }

    /// Its journal's folder can't be made: a file has its place.
    fn open_failing(&self) -> Option<Arc<dyn SessionLog>> {
        let dir = self.0.path().join("failing");
        let log = FileSessionLog::open(&dir).unwrap();
        fs::remove_dir(dir.join("journal")).unwrap();
        fs::write(dir.join("journal"), "").unwrap();
        Some(Arc::new(log))
    }

    fn directory(&self) -> Option<PathBuf> {
        Some(self.0.path().join("log"))
    }
}

bus_testkit::laws!(file, FileHarness::new);
