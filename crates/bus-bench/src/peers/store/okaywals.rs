//! okaywal: a write-ahead log with group commit among threads.

use std::path::Path;

use anyhow::Result;
use bus_log::Entry;
use okaywal::{Configuration, LogVoid, WriteAheadLog};

use super::{Store, encode};

pub(crate) struct OkayWal(WriteAheadLog);

const MIB: u32 = 1 << 20;

impl Store for OkayWal {
    const NAME: &'static str = "okaywal";
    const SETTINGS: &'static str =
        "64 MiB preallocated, checkpoint after 48 MiB to nowhere; one entry per batch";

    fn open(dir: &Path, _writers: usize) -> Result<Self> {
        let wal = Configuration::default_for(dir)
            .preallocate_bytes(64 * MIB)
            .checkpoint_after_bytes(u64::from(48 * MIB))
            .open(LogVoid)?;
        Ok(Self(wal))
    }

    fn append(&self, _writer: usize, batch: &[Entry]) -> Result<()> {
        // Encoded before, so that the log's one writer is not kept waiting for it.
        let encoded = batch.iter().map(encode).collect::<Result<Vec<_>>>()?;
        let mut entry = self.0.begin_entry()?;
        for bytes in &encoded {
            entry.write_chunk(bytes)?;
        }
        entry.commit()?;
        Ok(())
    }
}
