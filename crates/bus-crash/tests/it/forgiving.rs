//! The embedded log, read by somebody who takes damage for an end.

use std::sync::Arc;

use async_trait::async_trait;
use bus_crash::play::{FileLog, Settings, Subject};
use bus_log::{
    Bounds, Entry, Expect, LogErrorKind, Page, Result, SessionLog, TenantId, ThreadKey,
    ThreadSummary,
};
use bus_log_file::fs::FileSystem;

pub(crate) struct Forgiving;

impl Subject for Forgiving {
    fn open(&self, files: Arc<dyn FileSystem>, settings: Settings) -> Result<Arc<dyn SessionLog>> {
        Ok(Arc::new(ForgivingLog(FileLog.open(files, settings)?)))
    }

    fn reader(&self, files: Arc<dyn FileSystem>) -> Result<Arc<dyn SessionLog>> {
        Ok(Arc::new(ForgivingLog(FileLog.reader(files)?)))
    }
}

struct ForgivingLog(Arc<dyn SessionLog>);

fn forgive(read: Result<Page>) -> Result<Page> {
    match read {
        Err(error) if error.kind() == LogErrorKind::Corrupt => Ok(Page::default()),
        read => read,
    }
}

#[async_trait]
impl SessionLog for ForgivingLog {
    async fn append_entries(
        &self,
        key: &ThreadKey,
        expect: Expect,
        entries: &[Entry],
    ) -> Result<u64> {
        self.0.append_entries(key, expect, entries).await
    }

    async fn read(&self, key: &ThreadKey, cursor: u64, limit: usize) -> Result<Page> {
        forgive(self.0.read(key, cursor, limit).await)
    }

    async fn read_raw(&self, key: &ThreadKey, cursor: u64, limit: usize) -> Result<Page> {
        forgive(self.0.read_raw(key, cursor, limit).await)
    }

    async fn archive_before(&self, key: &ThreadKey, watermark: u64) -> Result<usize> {
        self.0.archive_before(key, watermark).await
    }

    async fn bounds(&self, key: &ThreadKey) -> Result<Bounds> {
        self.0.bounds(key).await
    }

    async fn list(
        &self,
        tenant: &TenantId,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<ThreadSummary>> {
        self.0.list(tenant, after, limit).await
    }

    async fn tenants(&self, after: Option<&TenantId>, limit: usize) -> Result<Vec<TenantId>> {
        self.0.tenants(after, limit).await
    }

    async fn erase(&self, key: &ThreadKey) -> Result<()> {
        self.0.erase(key).await
    }
}
