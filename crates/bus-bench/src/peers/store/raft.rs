//! raft-engine: TiKV's log of many raft groups; here, of many sessions.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context, Result};
use bus_log::Entry;
use protobuf::well_known_types::Any;
use raft_engine::env::DefaultFileSystem;
use raft_engine::{Config, Engine, LogBatch, MessageExt};

use super::{Store, encode};

pub(crate) struct RaftEngine {
    engine: Engine<DefaultFileSystem>,
    /// The last index of every writer's group.
    last: Vec<AtomicU64>,
}

/// It takes entries as protobuf messages that know their index: ours stands in the `type_url`.
struct Indexed;

impl MessageExt for Indexed {
    type Entry = Any;

    fn index(entry: &Any) -> u64 {
        entry.type_url.parse().unwrap_or(0)
    }
}

impl Store for RaftEngine {
    const NAME: &'static str = "raft-engine";
    const SETTINGS: &'static str = "defaults (128 MB files, LZ4 from 8 KB); sync = true";

    fn open(dir: &Path, writers: usize) -> Result<Self> {
        let config = Config {
            dir: dir
                .to_str()
                .context("the folder's name is no text")?
                .to_owned(),
            ..Config::default()
        };
        Ok(Self {
            engine: Engine::open(config)?,
            last: (0..writers).map(|_| AtomicU64::new(0)).collect(),
        })
    }

    fn append(&self, writer: usize, batch: &[Entry]) -> Result<()> {
        let before = self.last[writer].fetch_add(batch.len() as u64, Ordering::Relaxed);
        let mut entries = Vec::with_capacity(batch.len());
        for (index, entry) in (before + 1..).zip(batch) {
            let mut any = Any::new();
            any.set_type_url(index.to_string());
            any.set_value(encode(entry)?);
            entries.push(any);
        }
        let mut log_batch = LogBatch::with_capacity(1);
        log_batch.add_entries::<Indexed>(writer as u64 + 1, &entries)?;
        self.engine.write(&mut log_batch, true)?;
        Ok(())
    }
}
