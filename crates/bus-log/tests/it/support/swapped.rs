//! A log in place of which another one may stand from one call to the next.

use std::ops::RangeInclusive;
use std::sync::{Arc, Mutex};

use bus_log::{
    Bounds, Entry, Expect, InMemorySessionLog, Page, Result, SessionLog, TenantId, ThreadKey,
    ThreadSummary, async_trait,
};

/// What a server is whose disk is another one when it comes back.
#[derive(Default)]
pub(crate) struct SwappedLog {
    log: Mutex<Arc<InMemorySessionLog>>,
}

impl SwappedLog {
    /// The log that is there now.
    pub(crate) fn now(&self) -> Arc<InMemorySessionLog> {
        Arc::clone(&self.log.lock().unwrap())
    }

    /// Another one.
    pub(crate) fn swap(&self, log: Arc<InMemorySessionLog>) {
        *self.log.lock().unwrap() = log;
    }
}

/// A log that can't read some ordinals of its own any more, and does not know it.
pub(crate) struct HolesLog {
    pub(crate) log: Arc<InMemorySessionLog>,
    pub(crate) lost: RangeInclusive<u64>,
}

macro_rules! passes_on {
    ($log:ty, $self:ident => $inner:expr, $page:expr) => {
        #[async_trait]
        impl SessionLog for $log {
            async fn append_entries(
                &$self,
                key: &ThreadKey,
                expect: Expect,
                entries: &[Entry],
            ) -> Result<u64> {
                $inner.append_entries(key, expect, entries).await
            }

            async fn read(&$self, key: &ThreadKey, cursor: u64, limit: usize) -> Result<Page> {
                $inner.read(key, cursor, limit).await.map($page)
            }

            async fn read_raw(&$self, key: &ThreadKey, cursor: u64, limit: usize) -> Result<Page> {
                $inner.read_raw(key, cursor, limit).await.map($page)
            }

            async fn archive_before(&$self, key: &ThreadKey, watermark: u64) -> Result<usize> {
                $inner.archive_before(key, watermark).await
            }

            async fn bounds(&$self, key: &ThreadKey) -> Result<Bounds> {
                $inner.bounds(key).await
            }

            async fn list(
                &$self,
                tenant: &TenantId,
                after: Option<&str>,
                limit: usize,
            ) -> Result<Vec<ThreadSummary>> {
                $inner.list(tenant, after, limit).await
            }

            async fn tenants(
                &$self,
                after: Option<&TenantId>,
                limit: usize,
            ) -> Result<Vec<TenantId>> {
                $inner.tenants(after, limit).await
            }

            async fn erase(&$self, key: &ThreadKey) -> Result<()> {
                $inner.erase(key).await
            }
        }
    };
}

passes_on!(SwappedLog, self => self.now(), |page| page);
passes_on!(HolesLog, self => self.log, |mut page: Page| {
    page.events.retain(|event| !self.lost.contains(&event.ordinal));
    page
});
