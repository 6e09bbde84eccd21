//! A log that fails on demand.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use bus_log::{
    Bounds, Entry, Expect, LogError, LogErrorKind, Page, Recorded, Result, SessionLog, TenantId,
    ThreadKey, ThreadSummary, async_trait,
};
use tokio::sync::watch;

use crate::forward::in_front;

/// Another log whose appends fail as a script says, for the tests of whatever writes to logs.
///
/// ```
/// use bus_log::{InMemorySessionLog, LogErrorKind, SessionLog};
/// use bus_testkit::{Fault, FaultyLog, block_on, samples};
///
/// let log = FaultyLog::new(InMemorySessionLog::new());
/// log.next(Fault::Refuse(LogErrorKind::Unavailable));
/// let event = [samples::text("a")];
/// let key = samples::key("s");
/// assert!(block_on(log.append(&key, &event)).is_err());
/// assert_eq!(block_on(log.append(&key, &event)).unwrap(), 1);
/// ```
#[derive(Debug)]
pub struct FaultyLog<L> {
    log: L,
    script: Mutex<Script>,
}

#[derive(Debug, Default)]
struct Script {
    next: VecDeque<Fault>,
    always: Option<Fault>,
    /// Batches tried, by number of entries.
    tried: Vec<usize>,
}

/// What happens to an append.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Fault {
    /// Nothing: it succeeds.
    None,
    /// It fails with an error of this kind, and nothing is written. `Conflict` says the true last
    /// ordinal.
    Refuse(LogErrorKind),
    /// It is written, and fails with `Unavailable` all the same: the outcome is unknown.
    WriteThenFail,
    /// It waits until the gate is open, then it is written.
    Wait(Gate),
    /// It panics.
    Panic,
}

/// Holds appends back until it is opened. Clones are the same gate.
#[derive(Clone, Debug)]
pub struct Gate(Arc<watch::Sender<bool>>);

impl Gate {
    /// A closed gate.
    #[must_use]
    pub fn closed() -> Self {
        Self(Arc::new(watch::Sender::new(false)))
    }

    /// Lets through who waits, and whoever comes.
    pub fn open(&self) {
        self.0.send_replace(true);
    }

    async fn passed(&self) {
        // The sender lives in `self`, so that waiting can't fail.
        let _ = self.0.subscribe().wait_for(|open| *open).await;
    }
}

impl<L> FaultyLog<L> {
    /// A log without faults yet.
    pub fn new(log: L) -> Self {
        Self {
            log,
            script: Mutex::default(),
        }
    }

    /// The log underneath, which has no faults.
    pub fn log(&self) -> &L {
        &self.log
    }

    /// What happens to the next append that is not spoken for yet.
    pub fn next(&self, fault: Fault) {
        self.script().next.push_back(fault);
    }

    /// What happens to every append once those spoken for are over.
    pub fn always(&self, fault: Fault) {
        self.script().always = Some(fault);
    }

    /// No more faults.
    pub fn heal(&self) {
        let mut script = self.script();
        script.next.clear();
        script.always = None;
    }

    /// The batches that were tried, by number of entries, oldest first.
    #[must_use]
    pub fn tried(&self) -> Vec<usize> {
        self.script().tried.clone()
    }

    fn script(&self) -> MutexGuard<'_, Script> {
        self.script.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn fault(&self, entries: usize) -> Fault {
        let mut script = self.script();
        script.tried.push(entries);
        let next = script.next.pop_front();
        next.or_else(|| script.always.clone())
            .unwrap_or(Fault::None)
    }
}

fn refusal(kind: LogErrorKind, last: u64) -> LogError {
    const WHY: &str = "by the test's script";
    match kind {
        LogErrorKind::Unavailable => LogError::unavailable(WHY),
        LogErrorKind::Busy => LogError::busy(WHY),
        LogErrorKind::Conflict => LogError::conflict(last),
        LogErrorKind::Invalid => LogError::invalid(WHY),
        LogErrorKind::Corrupt => LogError::corrupt(WHY),
        LogErrorKind::Closed => LogError::closed(WHY),
        LogErrorKind::Unsupported => LogError::unsupported(WHY),
        _ => LogError::internal(WHY),
    }
}

in_front! { FaultyLog {
    async fn append_entries(
        &self,
        key: &ThreadKey,
        expect: Expect,
        entries: &[Entry],
    ) -> Result<u64> {
        match self.fault(entries.len()) {
            Fault::None => {}
            Fault::Refuse(kind) => {
                return Err(refusal(kind, self.log.bounds(key).await?.last));
            }
            Fault::WriteThenFail => {
                self.log.append_entries(key, expect, entries).await?;
                return Err(LogError::unavailable("the answer was lost"));
            }
            Fault::Wait(gate) => gate.passed().await,
            Fault::Panic => panic!("append panics by the test's script"),
        }
        self.log.append_entries(key, expect, entries).await
    }

    async fn read(&self, key: &ThreadKey, cursor: u64, limit: usize) -> Result<Page> {
        self.log.read(key, cursor, limit).await
    }

    // `append` and `append_expecting` are the provided ones, which come through `append_entries`.

    async fn load_since(&self, key: &ThreadKey, cursor: u64) -> Result<Vec<Recorded>> {
        self.log.load_since(key, cursor).await
    }

    async fn read_raw(&self, key: &ThreadKey, cursor: u64, limit: usize) -> Result<Page> {
        self.log.read_raw(key, cursor, limit).await
    }

    async fn changed(&self, key: &ThreadKey, after: u64, deadline: Instant) -> Result<u64> {
        self.log.changed(key, after, deadline).await
    }
} }
