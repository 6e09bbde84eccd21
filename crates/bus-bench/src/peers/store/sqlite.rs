//! SQLite, with its write-ahead log.

use std::path::Path;
use std::sync::{Mutex, PoisonError};

use anyhow::Result;
use bus_core::SessionEvent;
use bus_log::Entry;
use rusqlite::{Connection, params};

use super::{Store, encode};

/// Every commit is synced.
pub(crate) struct SqliteFull(Mutex<Connection>);

/// Only checkpoints are synced: a power cut loses what was committed since.
pub(crate) struct SqliteNormal(Mutex<Connection>);

fn open(dir: &Path, synchronous: &str) -> Result<Mutex<Connection>> {
    let connection = Connection::open(dir.join("events.sqlite"))?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", synchronous)?;
    connection.execute_batch(
        "CREATE TABLE events (session INTEGER, ordinal INTEGER, event BLOB,
         PRIMARY KEY (session, ordinal)) WITHOUT ROWID;
         CREATE TABLE last (session INTEGER PRIMARY KEY, ordinal INTEGER);",
    )?;
    Ok(Mutex::new(connection))
}

/// One transaction per batch. SQLite has one writer at a time: a lock in the process is cheaper than
/// its busy handler.
fn append(connection: &Mutex<Connection>, writer: usize, batch: &[Entry]) -> Result<()> {
    let encoded = batch.iter().map(encode).collect::<Result<Vec<_>>>()?;
    let mut connection = connection.lock().unwrap_or_else(PoisonError::into_inner);
    let transaction = connection.transaction()?;
    {
        let mut count = transaction.prepare_cached(
            "INSERT INTO last VALUES (?1, ?2) ON CONFLICT DO
             UPDATE SET ordinal = ordinal + ?2 RETURNING ordinal",
        )?;
        let last: i64 =
            count.query_row(params![writer as i64, batch.len() as i64], |row| row.get(0))?;
        let mut insert = transaction.prepare_cached("INSERT INTO events VALUES (?1, ?2, ?3)")?;
        for (ordinal, bytes) in (last - batch.len() as i64 + 1..).zip(&encoded) {
            insert.execute(params![writer as i64, ordinal, bytes])?;
        }
    }
    transaction.commit()?;
    Ok(())
}

impl SqliteFull {
    /// A writer's events, in order.
    pub(crate) fn read(&self, writer: usize) -> Result<Vec<SessionEvent>> {
        let connection = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut select = connection
            .prepare_cached("SELECT event FROM events WHERE session = ?1 ORDER BY ordinal")?;
        let mut rows = select.query(params![writer as i64])?;
        let mut events = Vec::new();
        while let Some(row) = rows.next()? {
            events.push(serde_json::from_slice(row.get_ref(0)?.as_blob()?)?);
        }
        Ok(events)
    }
}

impl Store for SqliteFull {
    const NAME: &'static str = "SQLite, FULL";
    const SETTINGS: &'static str =
        "WAL, synchronous=FULL, one connection, one transaction per batch";

    fn open(dir: &Path, _writers: usize) -> Result<Self> {
        open(dir, "FULL").map(Self)
    }

    fn append(&self, writer: usize, batch: &[Entry]) -> Result<()> {
        append(&self.0, writer, batch)
    }
}

impl Store for SqliteNormal {
    const NAME: &'static str = "SQLite, NORMAL";
    const SETTINGS: &'static str =
        "WAL, synchronous=NORMAL, one connection: a power cut loses commits";

    fn open(dir: &Path, _writers: usize) -> Result<Self> {
        open(dir, "NORMAL").map(Self)
    }

    fn append(&self, writer: usize, batch: &[Entry]) -> Result<()> {
        append(&self.0, writer, batch)
    }
}
