//! The log.

use std::fmt;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bus_log::{
    Bounds, DurableSink, Entry, Expect, LogError, Page, Recorded, Result, SessionLog, TenantId,
    ThreadKey, ThreadSummary, Ticket, TicketOutcome, async_trait,
};
use futures_timer::Delay;
use futures_util::future::select;

use crate::committer::{Append, Committer, Queue, Request, Shared};
use crate::config::FileLogConfig;
use crate::journal::{RecoveryReport, recover};
use crate::layout::{Layout, ThreadId};
use crate::line::{Line, LineError, Lines};
use crate::session_file::{Snapshot, read_page, stable};
use crate::sink::FileSink;
use crate::stats::FileLogStats;
use crate::{format, listing};

/// A session log in a folder.
///
/// Appends of all sessions are committed together by one thread, and any number of them share one
/// disk flush. Reads, `bounds` and lists happen on the thread that polls them: they block it for a
/// page of at most 4 MiB or one event, from the page cache as a rule. Any number of processes may
/// have the folder open; each session is written by one of them at a time, until that one drops its
/// log or has left the session alone for [a while](FileLogConfig::with_idle).
///
/// Dropping the log, and the last sink made from it, writes what was accepted, makes the session
/// files durable, removes the journal and gives all locks back before it returns.
///
/// ```
/// use bus_log::{SessionEvent, TenantId, ThreadKey};
/// use bus_log_file::FileSessionLog;
///
/// let dir = tempfile::tempdir()?;
/// let log = FileSessionLog::open(dir.path())?;
/// let sink = log.durable_sink(ThreadKey::new(TenantId::new("acme"), "session-7"));
///
/// // Submitted together, they can share a flush.
/// let first = sink.submit(SessionEvent::Thinking.into());
/// let second = sink.submit(SessionEvent::Done.into());
/// assert_eq!((first.wait()?, second.wait()?), (Some(1), Some(2)));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct FileSessionLog {
    inner: Arc<Inner>,
}

/// What the log and its sinks keep open.
pub(crate) struct Inner {
    committer: Committer,
}

impl FileSessionLog {
    /// Opens the log in `dir`, and makes one if the folder is empty or missing. What dead processes left
    /// in their journals is brought home first: see [`recovery`](Self::recovery).
    ///
    /// # Errors
    ///
    /// `Invalid` if the folder holds something else, `Unsupported` if it is a log of another
    /// version, `Corrupt` if a dead process's journal is damaged, `Unavailable` if the disk refuses:
    /// in all cases nothing is lost.
    pub fn open(dir: impl AsRef<Path>) -> Result<Self> {
        Self::open_with(dir, FileLogConfig::default())
    }

    /// As [`open`](Self::open), with other settings.
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open).
    pub fn open_with(dir: impl AsRef<Path>, config: FileLogConfig) -> Result<Self> {
        let layout = Layout::new(dir.as_ref());
        format::ensure(&layout)?;
        let report = recover(&layout)?;
        let shared = Arc::new(Shared {
            layout,
            queue: Queue::new(config.queue_bytes),
            config,
            watch: Default::default(),
            counters: Default::default(),
            recovery: Mutex::new(report),
        });
        let committer = Committer::start(shared)?;
        Ok(Self {
            inner: Arc::new(Inner { committer }),
        })
    }

    /// A sink that submits to the journal directly. It keeps the log open.
    #[must_use]
    pub fn durable_sink(&self, key: ThreadKey) -> Arc<dyn DurableSink> {
        Arc::new(FileSink::new(Arc::clone(&self.inner), key))
    }

    /// What was repaired since this log was opened, the opening included.
    #[must_use]
    pub fn recovery(&self) -> RecoveryReport {
        *self
            .shared()
            .recovery
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// What this log has done since it was opened.
    #[must_use]
    pub fn stats(&self) -> FileLogStats {
        self.shared().counters.read()
    }

    /// The folder.
    #[must_use]
    pub fn dir(&self) -> &Path {
        self.shared().layout.root()
    }

    fn shared(&self) -> &Shared {
        self.inner.shared()
    }

    fn page(
        &self,
        key: &ThreadKey,
        cursor: u64,
        limit: usize,
        make: impl Fn(&Line<'_>) -> Result<Recorded, LineError>,
    ) -> Result<Page> {
        stable(|| match Snapshot::open(&self.shared().layout, key)? {
            Some((file, snapshot)) => read_page(&file, &snapshot, cursor, limit, &make),
            None => Ok(Page::default()),
        })
    }

    async fn ask(&self, request: Request, ticket: Ticket) -> Result<Option<u64>> {
        self.shared().queue.push_async(request).await?;
        outcome(ticket.await)
    }
}

impl fmt::Debug for FileSessionLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FileSessionLog")
            .field("dir", &self.dir())
            .finish_non_exhaustive()
    }
}

impl Inner {
    pub(crate) fn shared(&self) -> &Shared {
        self.committer.shared()
    }

    /// Encodes a batch, which needs no lock.
    pub(crate) fn request_append(
        &self,
        key: &ThreadKey,
        expect: Expect,
        entries: &[Entry],
    ) -> Result<(Request, Ticket)> {
        if expect == Expect::StartAt(0) {
            return Err(LogError::invalid("ordinals start at 1, not 0"));
        }
        let mut lines = Lines::with_capacity(entries.len());
        for (number, entry) in (1..).zip(entries) {
            lines.push(number, entries.len(), entry.at, &entry.meta, &entry.event)?;
        }
        let (ticket, reply) = Ticket::pending();
        let append = Append {
            key: key.clone(),
            expect,
            lines,
            reply,
        };
        Ok((Request::Append(append), ticket))
    }
}

/// What the committer told, as this crate's error again.
fn outcome(told: TicketOutcome) -> Result<Option<u64>> {
    told.map_err(|error| match error.downcast::<LogError>() {
        Ok(error) => error,
        Err(error) => LogError::closed("its writer panicked; open it again").with_source(error),
    })
}

#[async_trait]
impl SessionLog for FileSessionLog {
    async fn append_entries(
        &self,
        key: &ThreadKey,
        expect: Expect,
        entries: &[Entry],
    ) -> Result<u64> {
        let (request, ticket) = self.inner.request_append(key, expect, entries)?;
        let last = self.ask(request, ticket).await?;
        Ok(last.unwrap_or_default())
    }

    async fn read(&self, key: &ThreadKey, cursor: u64, limit: usize) -> Result<Page> {
        self.page(key, cursor, limit, |line| line.typed())
    }

    async fn read_raw(&self, key: &ThreadKey, cursor: u64, limit: usize) -> Result<Page> {
        self.page(key, cursor, limit, |line| line.raw())
    }

    async fn archive_before(&self, key: &ThreadKey, watermark: u64) -> Result<usize> {
        let (ticket, reply) = Ticket::pending();
        let request = Request::Archive {
            key: key.clone(),
            watermark,
            reply,
        };
        let hidden = self.ask(request, ticket).await?.unwrap_or_default();
        Ok(usize::try_from(hidden).unwrap_or(usize::MAX))
    }

    async fn bounds(&self, key: &ThreadKey) -> Result<Bounds> {
        let found = Snapshot::open(&self.shared().layout, key)?;
        Ok(found.map_or_else(Bounds::default, |(_, snapshot)| snapshot.bounds()))
    }

    async fn list(
        &self,
        tenant: &TenantId,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<ThreadSummary>> {
        listing::threads(&self.shared().layout, tenant, after, limit)
    }

    async fn tenants(&self, after: Option<&TenantId>, limit: usize) -> Result<Vec<TenantId>> {
        listing::tenants(&self.shared().layout, after, limit)
    }

    /// No byte of the thread's events is in the folder's files when this returns.
    async fn erase(&self, key: &ThreadKey) -> Result<()> {
        let (ticket, reply) = Ticket::pending();
        let request = Request::Erase {
            key: key.clone(),
            reply,
        };
        self.ask(request, ticket).await.map(drop)
    }

    /// Woken at once by appends through this log; those of others are found by looking every 5 ms
    /// at first and every 250 ms in the end.
    async fn changed(&self, key: &ThreadKey, after: u64, deadline: Instant) -> Result<u64> {
        let mut pause = Duration::from_millis(5);
        loop {
            let place = self.shared().watch.place(ThreadId::new(key));
            let last = self.bounds(key).await?.last;
            let left = deadline.saturating_duration_since(Instant::now());
            if last > after || left.is_zero() {
                return Ok(last);
            }
            select(Box::pin(place.woken()), Delay::new(pause.min(left))).await;
            pause = (pause * 2).min(Duration::from_millis(250));
        }
    }
}
