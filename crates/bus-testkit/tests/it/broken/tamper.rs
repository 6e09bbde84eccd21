//! What is wrong with a log.

use std::time::Instant;

use bus_log::{
    Bounds, Entry, Event, Expect, Page, Recorded, Result, SessionLog, TenantId, ThreadKey,
    ThreadSummary, async_trait,
};

/// Stands between the caller and a sound log. Every method passes the call on; a broken log
/// overrides the one in which it is wrong.
#[async_trait]
pub(crate) trait Tamper: Send + Sync + 'static {
    async fn append_entries(
        &self,
        log: &dyn SessionLog,
        key: &ThreadKey,
        expect: Expect,
        entries: &[Entry],
    ) -> Result<u64> {
        log.append_entries(key, expect, entries).await
    }

    async fn read(
        &self,
        log: &dyn SessionLog,
        key: &ThreadKey,
        cursor: u64,
        limit: usize,
    ) -> Result<Page> {
        log.read(key, cursor, limit).await
    }

    async fn archive_before(
        &self,
        log: &dyn SessionLog,
        key: &ThreadKey,
        watermark: u64,
    ) -> Result<usize> {
        log.archive_before(key, watermark).await
    }

    async fn bounds(&self, log: &dyn SessionLog, key: &ThreadKey) -> Result<Bounds> {
        log.bounds(key).await
    }

    async fn list(
        &self,
        log: &dyn SessionLog,
        tenant: &TenantId,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<ThreadSummary>> {
        log.list(tenant, after, limit).await
    }

    async fn tenants(
        &self,
        log: &dyn SessionLog,
        after: Option<&TenantId>,
        limit: usize,
    ) -> Result<Vec<TenantId>> {
        log.tenants(after, limit).await
    }

    async fn erase(&self, log: &dyn SessionLog, key: &ThreadKey) -> Result<()> {
        log.erase(key).await
    }

    async fn read_raw(
        &self,
        log: &dyn SessionLog,
        key: &ThreadKey,
        cursor: u64,
        limit: usize,
    ) -> Result<Page> {
        log.read_raw(key, cursor, limit).await
    }

    async fn changed(
        &self,
        log: &dyn SessionLog,
        key: &ThreadKey,
        after: u64,
        deadline: Instant,
    ) -> Result<u64> {
        log.changed(key, after, deadline).await
    }

    /// Every event on its way out, by whichever method.
    fn out(&self, _: &mut Recorded) {}
}

/// Nothing is wrong with it.
pub(crate) struct Sound;

impl Tamper for Sound {}

/// A log with something wrong. `append`, `append_expecting` and `load_since` are the provided ones.
pub(super) struct Tampered<T, L> {
    pub(super) tamper: T,
    pub(super) log: L,
}

impl<T: Tamper, L> Tampered<T, L> {
    fn leave(&self, mut page: Page) -> Page {
        for event in &mut page.events {
            self.tamper.out(event);
        }
        page
    }
}

#[async_trait]
impl<T: Tamper, L: SessionLog> SessionLog for Tampered<T, L> {
    async fn append_entries(
        &self,
        key: &ThreadKey,
        expect: Expect,
        entries: &[Entry],
    ) -> Result<u64> {
        self.tamper
            .append_entries(&self.log, key, expect, entries)
            .await
    }

    async fn read(&self, key: &ThreadKey, cursor: u64, limit: usize) -> Result<Page> {
        let page = self.tamper.read(&self.log, key, cursor, limit).await?;
        Ok(self.leave(page))
    }

    async fn archive_before(&self, key: &ThreadKey, watermark: u64) -> Result<usize> {
        self.tamper.archive_before(&self.log, key, watermark).await
    }

    async fn bounds(&self, key: &ThreadKey) -> Result<Bounds> {
        self.tamper.bounds(&self.log, key).await
    }

    async fn list(
        &self,
        tenant: &TenantId,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<ThreadSummary>> {
        self.tamper.list(&self.log, tenant, after, limit).await
    }

    async fn tenants(&self, after: Option<&TenantId>, limit: usize) -> Result<Vec<TenantId>> {
        self.tamper.tenants(&self.log, after, limit).await
    }

    async fn erase(&self, key: &ThreadKey) -> Result<()> {
        self.tamper.erase(&self.log, key).await
    }

    async fn read_raw(&self, key: &ThreadKey, cursor: u64, limit: usize) -> Result<Page> {
        let page = self.tamper.read_raw(&self.log, key, cursor, limit).await?;
        Ok(self.leave(page))
    }

    async fn changed(&self, key: &ThreadKey, after: u64, deadline: Instant) -> Result<u64> {
        self.tamper.changed(&self.log, key, after, deadline).await
    }
}

/// The same entries, each changed.
pub(crate) fn changed(entries: &[Entry], change: impl Fn(&mut Entry)) -> Vec<Entry> {
    let mut entries = entries.to_vec();
    entries.iter_mut().for_each(change);
    entries
}

/// The same event from its text, changed.
pub(crate) fn respelt(event: &Event, change: impl Fn(&str) -> String) -> Event {
    let text = change(event.to_json().as_str());
    Event::parse(&text).unwrap_or_else(|_| event.clone())
}
