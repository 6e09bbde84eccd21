//! Counters.

use std::sync::atomic::{AtomicU64, Ordering};

/// What a log has done since it was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct FileLogStats {
    /// Groups written to the journal.
    pub groups: u64,
    /// Syncs of the journal that committed a group: one each.
    pub syncs: u64,
    /// Batches committed.
    pub batches: u64,
    /// Events committed.
    pub events: u64,
    /// Bytes written to the journal.
    pub journal_bytes: u64,
    /// Times the journal was emptied.
    pub checkpoints: u64,
    /// Syncs of session files.
    pub session_syncs: u64,
}

#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) groups: AtomicU64,
    pub(crate) syncs: AtomicU64,
    pub(crate) batches: AtomicU64,
    pub(crate) events: AtomicU64,
    pub(crate) journal_bytes: AtomicU64,
    pub(crate) checkpoints: AtomicU64,
    pub(crate) session_syncs: AtomicU64,
}

impl Counters {
    pub(crate) fn add(counter: &AtomicU64, by: u64) {
        counter.fetch_add(by, Ordering::Relaxed);
    }

    pub(crate) fn read(&self) -> FileLogStats {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        FileLogStats {
            groups: read(&self.groups),
            syncs: read(&self.syncs),
            batches: read(&self.batches),
            events: read(&self.events),
            journal_bytes: read(&self.journal_bytes),
            checkpoints: read(&self.checkpoints),
            session_syncs: read(&self.session_syncs),
        }
    }
}
