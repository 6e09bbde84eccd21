//! A log that goes on whenever it is looked at.

use std::sync::Arc;

use bus_log::{
    Bounds, Entry, Expect, Page, Result, SessionLog, TenantId, ThreadKey, ThreadSummary,
    async_trait,
};
use bus_testkit::samples;

/// A log in front of another one: once it has said how far a thread reaches, that grows by an event, also in
/// those that follow it.
pub(crate) struct MovingLog<L> {
    logs: Vec<Arc<L>>,
}

impl<L: SessionLog> MovingLog<L> {
    /// The first of them, which the others follow.
    pub(crate) const fn new(logs: Vec<Arc<L>>) -> Self {
        Self { logs }
    }
}

#[async_trait]
impl<L: SessionLog> SessionLog for MovingLog<L> {
    async fn append_entries(
        &self,
        key: &ThreadKey,
        expect: Expect,
        entries: &[Entry],
    ) -> Result<u64> {
        self.logs[0].append_entries(key, expect, entries).await
    }

    async fn read(&self, key: &ThreadKey, cursor: u64, limit: usize) -> Result<Page> {
        self.logs[0].read(key, cursor, limit).await
    }

    async fn archive_before(&self, key: &ThreadKey, watermark: u64) -> Result<usize> {
        self.logs[0].archive_before(key, watermark).await
    }

    async fn bounds(&self, key: &ThreadKey) -> Result<Bounds> {
        let bounds = self.logs[0].bounds(key).await?;
        let batch = samples::batch(&bounds.last.to_string(), 1);
        for log in &self.logs {
            log.append_entries(key, Expect::Any, &batch).await?;
        }
        Ok(bounds)
    }

    async fn list(
        &self,
        tenant: &TenantId,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<ThreadSummary>> {
        self.logs[0].list(tenant, after, limit).await
    }

    async fn tenants(&self, after: Option<&TenantId>, limit: usize) -> Result<Vec<TenantId>> {
        self.logs[0].tenants(after, limit).await
    }

    async fn erase(&self, key: &ThreadKey) -> Result<()> {
        self.logs[0].erase(key).await
    }
}
