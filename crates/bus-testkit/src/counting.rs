//! A log that counts what it is asked.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Instant;

use bus_log::{
    Bounds, Entry, Expect, LogError, Page, Result, SessionLog, TenantId, ThreadKey, ThreadSummary,
    async_trait,
};

/// Another log that counts what is read of it, and that can be out of reach of its readers: for the
/// tests of whatever reads logs.
///
/// ```
/// use bus_log::{InMemorySessionLog, SessionLog};
/// use bus_testkit::{CountingLog, block_on, samples};
///
/// let log = CountingLog::new(InMemorySessionLog::new());
/// block_on(log.read(&samples::key("s"), 0, 10)).unwrap();
/// assert_eq!((log.reads(), log.waits()), (1, 0));
/// log.set_down(true);
/// assert!(block_on(log.read(&samples::key("s"), 0, 10)).is_err());
/// ```
#[derive(Debug)]
pub struct CountingLog<L> {
    log: L,
    down: AtomicBool,
    reads: AtomicUsize,
    waits: AtomicUsize,
}

impl<L> CountingLog<L> {
    /// A log that was asked nothing yet.
    pub const fn new(log: L) -> Self {
        Self {
            log,
            down: AtomicBool::new(false),
            reads: AtomicUsize::new(0),
            waits: AtomicUsize::new(0),
        }
    }

    /// The log underneath, which counts nothing and is never down.
    pub const fn log(&self) -> &L {
        &self.log
    }

    /// Answers readers with `Unavailable` from now on, or no longer. Appends go on.
    pub fn set_down(&self, down: bool) {
        self.down.store(down, Ordering::SeqCst);
    }

    /// How many pages were asked for, `read_raw` included.
    #[must_use]
    pub fn reads(&self) -> usize {
        self.reads.load(Ordering::SeqCst)
    }

    /// How many calls of `changed` there were.
    #[must_use]
    pub fn waits(&self) -> usize {
        self.waits.load(Ordering::SeqCst)
    }

    fn count(&self, calls: &AtomicUsize) -> Result<()> {
        calls.fetch_add(1, Ordering::SeqCst);
        if self.down.load(Ordering::SeqCst) {
            return Err(LogError::unavailable("down, as the test says"));
        }
        Ok(())
    }
}

#[async_trait]
impl<L: SessionLog> SessionLog for CountingLog<L> {
    async fn append_entries(
        &self,
        key: &ThreadKey,
        expect: Expect,
        entries: &[Entry],
    ) -> Result<u64> {
        self.log.append_entries(key, expect, entries).await
    }

    async fn read(&self, key: &ThreadKey, cursor: u64, limit: usize) -> Result<Page> {
        self.count(&self.reads)?;
        self.log.read(key, cursor, limit).await
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
        self.log.erase(key).await
    }

    // `append`, `append_expecting` and `load_since` are the provided ones, which come through others.

    async fn read_raw(&self, key: &ThreadKey, cursor: u64, limit: usize) -> Result<Page> {
        self.count(&self.reads)?;
        self.log.read_raw(key, cursor, limit).await
    }

    async fn changed(&self, key: &ThreadKey, after: u64, deadline: Instant) -> Result<u64> {
        self.count(&self.waits)?;
        self.log.changed(key, after, deadline).await
    }
}
