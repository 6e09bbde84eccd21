//! The plain ways: one file of JSON lines behind one lock.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use anyhow::Result;
use bus_log::Entry;

use super::{Store, encode};

/// A line, and nothing more: what is in the page cache is lost with the power.
pub(crate) struct Unsynced(Mutex<File>);

/// A line, then `fdatasync`, event for event.
pub(crate) struct PerEventSync(Mutex<File>);

fn create(dir: &Path) -> Result<Mutex<File>> {
    let file = File::create(dir.join("events.jsonl"))?;
    Ok(Mutex::new(file))
}

fn lock(file: &Mutex<File>) -> MutexGuard<'_, File> {
    file.lock().unwrap_or_else(PoisonError::into_inner)
}

fn line(entry: &Entry) -> Result<Vec<u8>> {
    let mut line = encode(entry)?;
    line.push(b'\n');
    Ok(line)
}

impl Store for Unsynced {
    const NAME: &'static str = "JSON lines, no fsync";
    const SETTINGS: &'static str = "Mutex<File>, one write per event; not durable";

    fn open(dir: &Path, _writers: usize) -> Result<Self> {
        create(dir).map(Self)
    }

    fn append(&self, _writer: usize, batch: &[Entry]) -> Result<()> {
        for entry in batch {
            let line = line(entry)?;
            lock(&self.0).write_all(&line)?;
        }
        Ok(())
    }
}

impl Store for PerEventSync {
    const NAME: &'static str = "JSON lines, sync per event";
    const SETTINGS: &'static str = "Mutex<File>, one write and one sync_data per event";

    fn open(dir: &Path, _writers: usize) -> Result<Self> {
        create(dir).map(Self)
    }

    fn append(&self, _writer: usize, batch: &[Entry]) -> Result<()> {
        for entry in batch {
            let line = line(entry)?;
            let mut file = lock(&self.0);
            file.write_all(&line)?;
            file.sync_data()?;
        }
        Ok(())
    }
}
