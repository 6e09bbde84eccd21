//! Keeps events: durable when `append` returns, unless its settings say otherwise.

mod fjalls;
mod okaywals;
mod ours;
mod plain;
mod raft;
pub(crate) mod raw;
mod redbs;
mod sqlite;

use std::path::Path;

use anyhow::Result;
use bus_log::Entry;

pub(crate) use fjalls::Fjall;
pub(crate) use okaywals::OkayWal;
pub(crate) use ours::{FileLog, enqueue_config, key};
pub(crate) use plain::{PerEventSync, Unsynced};
pub(crate) use raft::RaftEngine;
pub(crate) use redbs::Redb;
pub(crate) use sqlite::{SqliteFull, SqliteNormal};

/// A place that many writers append to at once, each to a session of its own.
pub(crate) trait Store: Send + Sync + Sized + 'static {
    const NAME: &'static str;
    const SETTINGS: &'static str;

    /// Makes one in an empty folder.
    fn open(dir: &Path, writers: usize) -> Result<Self>;

    /// Appends a batch to the writer's session; of one event as of many.
    fn append(&self, writer: usize, batch: &[Entry]) -> Result<()>;
}

/// What a peer writes of an event: the same JSON that we write of it.
pub(crate) fn encode(entry: &Entry) -> Result<Vec<u8>> {
    Ok(serde_json::to_vec(&entry.event)?)
}
