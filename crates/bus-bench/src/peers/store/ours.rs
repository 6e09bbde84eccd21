//! Ours: `FileSessionLog`, as it is configured when nobody configures it.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use bus_core::{DurableSink, Event, TenantId, ThreadKey};
use bus_log::{Entry, Expect, SessionLog};
use bus_log_file::{Durability, FileLogConfig, FileSessionLog};

use super::Store;

/// The file log. Single events go through its sink, which blocks the thread; batches through
/// `append_entries`.
pub(crate) struct FileLog {
    log: FileSessionLog,
    sinks: Vec<Arc<dyn DurableSink>>,
    keys: Vec<ThreadKey>,
}

/// The session of a writer.
pub(crate) fn key(writer: usize) -> ThreadKey {
    ThreadKey::new(TenantId::new("bench"), format!("session-{writer}"))
}

/// The longest that an event which was acknowledged waits for its sync in the row that only enqueues.
const LOSS_WINDOW: Duration = Duration::from_millis(10);

/// A log that acknowledges at once and syncs all the time.
pub(crate) fn enqueue_config() -> FileLogConfig {
    FileLogConfig::default().with_durability(Durability::Interval(LOSS_WINDOW))
}

impl FileLog {
    pub(crate) fn open_with(dir: &Path, writers: usize, config: FileLogConfig) -> Result<Self> {
        let log = FileSessionLog::open_with(dir, config)?;
        let keys: Vec<ThreadKey> = (0..writers).map(key).collect();
        let sinks = keys
            .iter()
            .map(|key| log.durable_sink(key.clone()))
            .collect();
        Ok(Self { log, sinks, keys })
    }
}

impl Store for FileLog {
    const NAME: &'static str = "bus-log-file";
    const SETTINGS: &'static str =
        "defaults; one event by durable_sink().write, more by append_entries";

    fn open(dir: &Path, writers: usize) -> Result<Self> {
        Self::open_with(dir, writers, FileLogConfig::default())
    }

    fn append(&self, writer: usize, batch: &[Entry]) -> Result<()> {
        if let [entry] = batch
            && let Event::Session(event) = &entry.event
        {
            return self.sinks[writer].write(event).context("write");
        }
        let appended = self
            .log
            .append_entries(&self.keys[writer], Expect::Any, batch);
        pollster::block_on(appended)?;
        Ok(())
    }
}
