//! Counters.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// What a log has done since it was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct FileLogStats {
    /// Groups written to the journal.
    pub groups: u64,
    /// Syncs of the journal that made groups durable. With [`Durability::Sync`](crate::Durability::Sync) one for each;
    /// with the others several groups can share one.
    pub syncs: u64,
    /// Batches written to the journal. With [`Durability`](crate::Durability) other than `Sync` they may not be
    /// durable yet, and count once more if they are written again after an error.
    pub batches: u64,
    /// Events of those batches.
    pub events: u64,
    /// Bytes written to the journal.
    pub journal_bytes: u64,
    /// Times the journal was emptied.
    pub checkpoints: u64,
    /// Syncs of session files.
    pub session_syncs: u64,
    /// Events that were acknowledged before they were durable and never became so: only with
    /// [`Durability`](crate::Durability) other than `Sync`, and a disk that refused to the end. After a panic of
    /// the log's writer, those of which that is not known. Counted when the log is closed: see
    /// [`FileLogCounters`].
    pub lost_events: u64,
    /// Journal segments begun.
    pub journal_segments: u64,
    /// Those of them that nobody had made ready: the first syncs of one cost more. The first is always
    /// one, and so is the first after the journal was emptied.
    pub journal_segments_unprepared: u64,
    /// Journal segments made ready from a file that was no longer needed, so that nothing had to be
    /// filled.
    pub journal_segments_recycled: u64,
    /// Bytes that journal segments were filled with to make them ready, beside `journal_bytes`.
    pub journal_filler_bytes: u64,
}

/// Reads the counters of a log, also after it was closed: what it lost is known only then.
///
/// ```
/// use bus_log_file::{FileSessionLog, SessionEvent, TenantId, ThreadKey};
///
/// let dir = tempfile::tempdir()?;
/// let log = FileSessionLog::open(dir.path())?;
/// let counters = log.counters();
/// let key = ThreadKey::new(TenantId::new("acme"), "session-7");
/// log.durable_sink(key).write(&SessionEvent::Done)?;
/// drop(log);
/// assert_eq!(counters.read().events, 1);
/// assert_eq!(counters.read().lost_events, 0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct FileLogCounters(pub(crate) Arc<Counters>);

impl FileLogCounters {
    /// What the log has done by now.
    #[must_use]
    pub fn read(&self) -> FileLogStats {
        self.0.read()
    }
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
    pub(crate) lost_events: AtomicU64,
    pub(crate) journal: Arc<JournalCounters>,
}

/// What journals count by themselves, also on a thread of their own.
#[derive(Debug, Default)]
pub(crate) struct JournalCounters {
    pub(crate) segments: AtomicU64,
    pub(crate) unprepared: AtomicU64,
    pub(crate) recycled: AtomicU64,
    pub(crate) filler_bytes: AtomicU64,
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
            lost_events: read(&self.lost_events),
            journal_segments: read(&self.journal.segments),
            journal_segments_unprepared: read(&self.journal.unprepared),
            journal_segments_recycled: read(&self.journal.recycled),
            journal_filler_bytes: read(&self.journal.filler_bytes),
        }
    }
}
