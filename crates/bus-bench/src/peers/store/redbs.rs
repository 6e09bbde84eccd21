//! redb: a copy-on-write B-tree.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::Result;
use bus_log::Entry;
use redb::{Database, TableDefinition};

use super::{Store, encode};

const EVENTS: TableDefinition<'_, (u64, u64), &[u8]> = TableDefinition::new("events");

pub(crate) struct Redb {
    database: Database,
    last: AtomicU64,
}

impl Store for Redb {
    const NAME: &'static str = "redb";
    const SETTINGS: &'static str = "defaults; one transaction per batch, Durability::Immediate";

    fn open(dir: &Path, _writers: usize) -> Result<Self> {
        Ok(Self {
            database: Database::create(dir.join("events.redb"))?,
            last: AtomicU64::new(0),
        })
    }

    fn append(&self, writer: usize, batch: &[Entry]) -> Result<()> {
        let encoded = batch.iter().map(encode).collect::<Result<Vec<_>>>()?;
        let first = self.last.fetch_add(batch.len() as u64, Ordering::Relaxed);
        let transaction = self.database.begin_write()?;
        {
            let mut table = transaction.open_table(EVENTS)?;
            for (number, bytes) in (first..).zip(&encoded) {
                table.insert((writer as u64, number), bytes.as_slice())?;
            }
        }
        transaction.commit()?;
        Ok(())
    }
}
