//! What a copy holds of a thread at once, however large that is.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bus_log::{
    Bounds, DateTime, Entry, Expect, LogError, PAGE_BYTES, Page, Recorded, Replication, Result,
    SessionLog, TenantId, ThreadKey, ThreadSummary, Utc, async_trait,
};
use bus_testkit::samples;

use crate::support::{block_on, key, peak};

const EVENT_BYTES: usize = 64 << 10;
const EVENTS: u64 = 2560;

/// Some pages, and what the tests beside this one may take meanwhile. All of the thread takes 160 MiB.
const LITTLE: usize = 96 << 20;

/// A log of one thread whose events are all alike and held nowhere: they are made when they are read, each anew, as
/// clones of one would share its bytes.
struct Endless {
    last: AtomicU64,
    at: DateTime<Utc>,
}

impl Endless {
    fn with(events: u64) -> Arc<Self> {
        let (last, at) = (AtomicU64::new(events), DateTime::UNIX_EPOCH);
        Arc::new(Self { last, at })
    }

    fn last(&self) -> u64 {
        self.last.load(Ordering::SeqCst)
    }
}

#[async_trait]
impl SessionLog for Endless {
    async fn append_entries(
        &self,
        _: &ThreadKey,
        expect: Expect,
        entries: &[Entry],
    ) -> Result<u64> {
        let last = self.last();
        if !matches!(expect, Expect::Any) && expect != Expect::Last(last) {
            return Err(LogError::conflict(last));
        }
        assert!(entries.iter().all(|entry| entry.at == self.at));
        let end = last + entries.len() as u64;
        self.last.store(end, Ordering::SeqCst);
        Ok(end)
    }

    async fn read(&self, _: &ThreadKey, cursor: u64, limit: usize) -> Result<Page> {
        let most = limit.min(PAGE_BYTES / EVENT_BYTES) as u64;
        let end = (cursor + most).min(self.last());
        let events = (cursor + 1..=end).map(|ordinal| {
            let Entry { meta, event, .. } = samples::of_size(EVENT_BYTES);
            let at = self.at;
            Recorded {
                ordinal,
                at,
                meta,
                event,
            }
        });
        Ok(Page::new(events.collect(), end < self.last()))
    }

    /// They are custom, and their bytes are as they are.
    async fn read_raw(&self, key: &ThreadKey, cursor: u64, limit: usize) -> Result<Page> {
        self.read(key, cursor, limit).await
    }

    async fn archive_before(&self, _: &ThreadKey, _: u64) -> Result<usize> {
        Ok(0)
    }

    async fn bounds(&self, _: &ThreadKey) -> Result<Bounds> {
        Ok(Bounds::new(0, self.last(), false))
    }

    async fn list(
        &self,
        tenant: &TenantId,
        after: Option<&str>,
        _: usize,
    ) -> Result<Vec<ThreadSummary>> {
        let key = ThreadKey::new(tenant.clone(), "s");
        let summary = ThreadSummary::new(key, Bounds::new(0, self.last(), false));
        Ok(after.is_none().then_some(summary).into_iter().collect())
    }

    async fn tenants(&self, after: Option<&TenantId>, _: usize) -> Result<Vec<TenantId>> {
        let tenant = key("s").tenant_id().clone();
        Ok(after.is_none().then_some(tenant).into_iter().collect())
    }

    async fn erase(&self, _: &ThreadKey) -> Result<()> {
        Ok(())
    }
}

#[test]
fn a_thread_far_larger_than_a_page_is_copied_in_bounded_memory() {
    let (from, to) = (Endless::with(EVENTS), Endless::with(0));
    let before = peak();
    let copied = block_on(Replication::new(from.clone(), to.clone()).all()).unwrap();
    assert_eq!((copied.threads, copied.events), (1, EVENTS));
    assert_eq!(to.last(), EVENTS);
    if let Some((before, after)) = before.zip(peak()) {
        let grown = after - before;
        assert!(grown < LITTLE, "{grown} bytes for a copy page by page");
    }
}
