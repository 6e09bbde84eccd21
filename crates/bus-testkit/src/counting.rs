//! A log that counts what it is asked.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Instant;

use bus_log::{
    Bounds, Entry, Expect, LogError, Page, Result, SessionLog, TenantId, ThreadKey, ThreadSummary,
    async_trait,
};

use crate::forward::in_front;

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

in_front! { CountingLog {
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

    // `append`, `append_expecting` and `load_since` are the provided ones, which come through others.

    async fn read_raw(&self, key: &ThreadKey, cursor: u64, limit: usize) -> Result<Page> {
        self.count(&self.reads)?;
        self.log.read_raw(key, cursor, limit).await
    }

    async fn changed(&self, key: &ThreadKey, after: u64, deadline: Instant) -> Result<u64> {
        self.count(&self.waits)?;
        self.log.changed(key, after, deadline).await
    }
} }
