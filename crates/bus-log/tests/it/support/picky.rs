//! A log that refuses some threads, as if it were away.

use std::sync::Arc;

use bus_log::{
    Bounds, Entry, Expect, LogError, Page, Result, SessionLog, TenantId, ThreadKey, ThreadSummary,
    async_trait,
};

/// A log in front of another one that refuses threads, and lists of tenants, of these names.
pub(crate) struct PickyLog<L> {
    log: Arc<L>,
    names: Vec<String>,
}

impl<L: SessionLog> PickyLog<L> {
    pub(crate) fn new(log: Arc<L>, names: &[&str]) -> Self {
        let names = names.iter().map(|name| (*name).to_owned()).collect();
        Self { log, names }
    }

    fn takes(&self, name: &str) -> Result<()> {
        if self.names.iter().any(|refused| refused == name) {
            return Err(LogError::unavailable("by the test's list"));
        }
        Ok(())
    }
}

#[async_trait]
impl<L: SessionLog> SessionLog for PickyLog<L> {
    async fn append_entries(
        &self,
        key: &ThreadKey,
        expect: Expect,
        entries: &[Entry],
    ) -> Result<u64> {
        self.takes(key.thread_id())?;
        self.log.append_entries(key, expect, entries).await
    }

    async fn read(&self, key: &ThreadKey, cursor: u64, limit: usize) -> Result<Page> {
        self.takes(key.thread_id())?;
        self.log.read(key, cursor, limit).await
    }

    async fn archive_before(&self, key: &ThreadKey, watermark: u64) -> Result<usize> {
        self.takes(key.thread_id())?;
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
        self.takes(tenant.as_str())?;
        self.log.list(tenant, after, limit).await
    }

    async fn tenants(&self, after: Option<&TenantId>, limit: usize) -> Result<Vec<TenantId>> {
        self.log.tenants(after, limit).await
    }

    async fn erase(&self, key: &ThreadKey) -> Result<()> {
        self.takes(key.thread_id())?;
        self.log.erase(key).await
    }
}
