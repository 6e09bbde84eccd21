//! An in-memory log with its bytes in files too, so that there is something to search.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Instant;

use bus_log::{
    Bounds, Entry, Expect, InMemorySessionLog, LogError, MAX_EVENT_BYTES, Page, Result, SessionLog,
    TenantId, ThreadKey, ThreadSummary, async_trait, encoded_bytes,
};

pub(super) struct Mirrored {
    log: InMemorySessionLog,
    directory: PathBuf,
    /// A thread's place here is its file's name.
    threads: Mutex<Vec<ThreadKey>>,
    /// Whether every event goes to a journal too, which nothing ever leaves.
    pub(super) journals: AtomicBool,
    /// Largest event that it takes, in encoded bytes.
    pub(super) limit: AtomicUsize,
}

impl Mirrored {
    pub(super) fn in_directory(directory: &Path) -> Self {
        Self {
            log: InMemorySessionLog::new(),
            directory: directory.to_owned(),
            threads: Mutex::default(),
            journals: AtomicBool::new(false),
            limit: AtomicUsize::new(MAX_EVENT_BYTES),
        }
    }

    fn file(&self, key: &ThreadKey) -> PathBuf {
        let mut threads = self.threads.lock().unwrap();
        let place = threads.iter().position(|known| known == key);
        let place = place.unwrap_or_else(|| {
            threads.push(key.clone());
            threads.len() - 1
        });
        self.directory.join(place.to_string())
    }

    fn mirror(&self, file: &Path, entries: &[Entry]) {
        let mut file = OpenOptions::new()
            .append(true)
            .create(true)
            .open(file)
            .unwrap();
        for entry in entries {
            writeln!(file, "{} {}", entry.meta.as_str(), entry.event.to_json()).unwrap();
        }
    }
}

#[async_trait]
impl SessionLog for Mirrored {
    async fn append_entries(
        &self,
        key: &ThreadKey,
        expect: Expect,
        entries: &[Entry],
    ) -> Result<u64> {
        let limit = self.limit.load(Ordering::Relaxed);
        if limit < MAX_EVENT_BYTES && entries.iter().any(|entry| encoded_bytes(entry) > limit) {
            return Err(LogError::invalid(format!(
                "event larger than {limit} bytes"
            )));
        }
        let last = self.log.append_entries(key, expect, entries).await?;
        self.mirror(&self.file(key), entries);
        if self.journals.load(Ordering::Relaxed) {
            self.mirror(&self.directory.join("journal"), entries);
        }
        Ok(last)
    }

    async fn read(&self, key: &ThreadKey, cursor: u64, limit: usize) -> Result<Page> {
        self.log.read(key, cursor, limit).await
    }

    async fn read_raw(&self, key: &ThreadKey, cursor: u64, limit: usize) -> Result<Page> {
        self.log.read_raw(key, cursor, limit).await
    }

    async fn archive_before(&self, key: &ThreadKey, watermark: u64) -> Result<usize> {
        self.log.archive_before(key, watermark).await
    }

    async fn bounds(&self, key: &ThreadKey) -> Result<Bounds> {
        self.log.bounds(key).await
    }

    async fn list(
        &self,
        tenant: &TenantId,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<ThreadSummary>> {
        self.log.list(tenant, after, limit).await
    }

    async fn tenants(&self, after: Option<&TenantId>, limit: usize) -> Result<Vec<TenantId>> {
        self.log.tenants(after, limit).await
    }

    async fn erase(&self, key: &ThreadKey) -> Result<()> {
        self.log.erase(key).await?;
        fs::write(self.file(key), "").unwrap();
        Ok(())
    }

    async fn changed(&self, key: &ThreadKey, after: u64, deadline: Instant) -> Result<u64> {
        self.log.changed(key, after, deadline).await
    }
}
