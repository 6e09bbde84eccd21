//! fjall: a log-structured key-value store.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::Result;
use bus_log::Entry;
use fjall::{Database, Keyspace, KeyspaceCreateOptions, PersistMode};

use super::{Store, encode};

pub(crate) struct Fjall {
    database: Database,
    events: Keyspace,
    last: AtomicU64,
}

impl Store for Fjall {
    const NAME: &'static str = "fjall";
    const SETTINGS: &'static str = "defaults, no compression; one batch, PersistMode::SyncData";

    fn open(dir: &Path, _writers: usize) -> Result<Self> {
        let database = Database::builder(dir).open()?;
        let events = database.keyspace("events", KeyspaceCreateOptions::default)?;
        Ok(Self {
            database,
            events,
            last: AtomicU64::new(0),
        })
    }

    fn append(&self, writer: usize, batch: &[Entry]) -> Result<()> {
        let first = self.last.fetch_add(batch.len() as u64, Ordering::Relaxed);
        let mut write = self
            .database
            .batch()
            .durability(Some(PersistMode::SyncData));
        for (number, entry) in (first..).zip(batch) {
            let mut key = [0; 16];
            key[..8].copy_from_slice(&(writer as u64).to_be_bytes());
            key[8..].copy_from_slice(&number.to_be_bytes());
            write.insert(&self.events, key, encode(entry)?);
        }
        write.commit()?;
        Ok(())
    }
}
