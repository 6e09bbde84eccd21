//! The log.

use std::fmt;
use std::path::Path;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bus_log::{
    Bounds, DurableSink, Entry, Event, Expect, LogError, Meta, Page, Recorded, Result, SessionLog,
    TenantId, ThreadKey, ThreadSummary, Ticket, Utc, async_trait,
};
use futures_timer::Delay;
use futures_util::future::{Either, select};

use crate::committer::{Append, Committer, Request, Shared, outcome};
use crate::config::FileLogConfig;
use crate::fs::Disk;
use crate::journal::{RecoveryReport, recover};
use crate::layout::Layout;
use crate::line::Lines;
use crate::lock;
use crate::name::Name;
use crate::reader::FileLogReader;
use crate::sink::FileSink;
use crate::stats::{FileLogCounters, FileLogStats};
use crate::watch::Watch;

/// How long what was acknowledged is waited for though a deadline comes sooner: nobody is told less than what they were told
/// before, and a sync takes its time.
const SYNC: Duration = Duration::from_secs(2);

/// A session log in a folder.
///
/// *Who commits.* Appends of all sessions are committed together, by one thread at a time, and any number of
/// them share one disk flush: whoever blocks for one commits for all, and a thread of the log does so for
/// tasks. Any number of processes may have the folder open; each session is written by one of them at a time,
/// until that one drops its log or has left the session alone for [a while](FileLogConfig::with_idle).
///
/// *What blocks.* An append that is awaited blocks no thread. Reads, `bounds` and lists happen on the thread that
/// polls them: they block it for a page of at most 4 MiB or one event, from the page cache as a rule.
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
    reader: FileLogReader,
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
        let layout = Layout::new(dir.as_ref(), Disk::new(Arc::clone(&config.file_system)));
        crate::format::ensure(&layout)?;
        let report = recover(&layout, lock::OPENING)?;
        let watch = Arc::<Watch>::default();
        let reader = FileLogReader::of(layout.clone(), &config, Arc::clone(&watch));
        let shared = Arc::new(Shared::new(layout, config, watch, report));
        let reader = reader.written_by(Arc::clone(&shared));
        let committer = Committer::start(shared)?;
        Ok(Self {
            inner: Arc::new(Inner { committer, reader }),
        })
    }

    /// A sink that submits to the journal directly. It keeps the log open.
    #[must_use]
    pub fn durable_sink(&self, key: ThreadKey) -> Arc<dyn DurableSink> {
        Arc::new(FileSink::new(Arc::clone(&self.inner), key))
    }

    /// The half of the log that reads, which can do more than a log must.
    #[must_use]
    pub fn reader(&self) -> &FileLogReader {
        &self.inner.reader
    }

    /// What was repaired since this log was opened, the opening included.
    #[must_use]
    pub fn recovery(&self) -> RecoveryReport {
        self.shared().recovery()
    }

    /// What this log has done since it was opened.
    #[must_use]
    pub fn stats(&self) -> FileLogStats {
        self.shared().counters.read()
    }

    /// What reads [`stats`](Self::stats), also once the log is closed.
    #[must_use]
    pub fn counters(&self) -> FileLogCounters {
        FileLogCounters(Arc::clone(&self.shared().counters))
    }

    /// The folder.
    #[must_use]
    pub fn dir(&self) -> &Path {
        self.shared().layout.root()
    }

    fn shared(&self) -> &Shared {
        self.inner.shared()
    }

    /// Archives or erases, by a thread of the log.
    async fn ask(&self, request: Request, ticket: Ticket) -> Result<Option<u64>> {
        self.shared().push_async(request).await?;
        outcome(ticket.await)
    }

    async fn append_lines(&self, key: &ThreadKey, expect: Expect, lines: Lines) -> Result<u64> {
        if expect == Expect::StartAt(0) {
            return Err(LogError::invalid("ordinals start at 1, not 0"));
        }
        let last = match self.inner.begin(Name::of(key), expect, lines) {
            Begun::Done(outcome) => outcome?,
            Begun::Queue(request, ticket) => self.ask(request, ticket).await?,
        };
        Ok(last.unwrap_or_default())
    }
}

impl fmt::Debug for FileSessionLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FileSessionLog")
            .field("dir", &self.dir())
            .finish_non_exhaustive()
    }
}

/// An append that was taken at once, or is to be queued.
pub(crate) enum Begun {
    Done(Result<Option<u64>>),
    Queue(Request, Ticket),
}

impl Inner {
    pub(crate) fn shared(&self) -> &Arc<Shared> {
        self.committer.shared()
    }

    pub(crate) fn begin(&self, name: Arc<Name>, expect: Expect, mut lines: Lines) -> Begun {
        if let Some(outcome) = self.shared().accept(&name, expect, &mut lines) {
            return Begun::Done(outcome);
        }
        let (ticket, reply) = self.shared().ticket();
        let append = Append {
            name,
            expect,
            lines,
            reply,
        };
        Begun::Queue(Request::Append(append), ticket)
    }
}

/// Events that happen now, as lines: no copy of them is made.
fn encode(events: &[Event]) -> Result<Lines> {
    let mut lines = Lines::with_capacity(events.len());
    let at = Utc::now();
    for (number, event) in (1..).zip(events) {
        lines.push(number, events.len(), at, &Meta::default(), event)?;
    }
    Ok(lines)
}

#[async_trait]
impl SessionLog for FileSessionLog {
    async fn append_entries(
        &self,
        key: &ThreadKey,
        expect: Expect,
        entries: &[Entry],
    ) -> Result<u64> {
        let mut lines = Lines::with_capacity(entries.len());
        for (number, entry) in (1..).zip(entries) {
            lines.push(number, entries.len(), entry.at, &entry.meta, &entry.event)?;
        }
        self.append_lines(key, expect, lines).await
    }

    async fn append(&self, key: &ThreadKey, events: &[Event]) -> Result<u64> {
        self.append_lines(key, Expect::Any, encode(events)?).await
    }

    async fn append_expecting(&self, key: &ThreadKey, last: u64, events: &[Event]) -> Result<u64> {
        self.append_lines(key, Expect::Last(last), encode(events)?)
            .await
    }

    async fn read(&self, key: &ThreadKey, cursor: u64, limit: usize) -> Result<Page> {
        self.shared().caught_up(Some(key)).await?;
        self.reader().read(key, cursor, limit).await
    }

    async fn load_since(&self, key: &ThreadKey, cursor: u64) -> Result<Vec<Recorded>> {
        self.shared().caught_up(Some(key)).await?;
        self.reader().load_since(key, cursor).await
    }

    async fn read_raw(&self, key: &ThreadKey, cursor: u64, limit: usize) -> Result<Page> {
        self.shared().caught_up(Some(key)).await?;
        self.reader().read_raw(key, cursor, limit).await
    }

    async fn archive_before(&self, key: &ThreadKey, watermark: u64) -> Result<usize> {
        let (ticket, reply) = self.inner.shared().ticket();
        let request = Request::Archive {
            name: Name::of(key),
            watermark,
            reply,
        };
        let hidden = self.ask(request, ticket).await?.unwrap_or_default();
        Ok(usize::try_from(hidden).unwrap_or(usize::MAX))
    }

    async fn bounds(&self, key: &ThreadKey) -> Result<Bounds> {
        self.shared().caught_up(Some(key)).await?;
        self.reader().bounds(key).await
    }

    async fn list(
        &self,
        tenant: &TenantId,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<ThreadSummary>> {
        self.shared().caught_up(None).await?;
        self.reader().list(tenant, after, limit).await
    }

    async fn tenants(&self, after: Option<&TenantId>, limit: usize) -> Result<Vec<TenantId>> {
        self.shared().caught_up(None).await?;
        self.reader().tenants(after, limit).await
    }

    /// No byte of the thread's events is in the folder's files when this returns.
    async fn erase(&self, key: &ThreadKey) -> Result<()> {
        let (ticket, reply) = self.inner.shared().ticket();
        let request = Request::Erase {
            name: Name::of(key),
            reply,
        };
        self.ask(request, ticket).await.map(drop)
    }

    /// Woken at once by appends through this log, and by those of other processes where the kernel tells
    /// of them. `Unavailable` also if the deadline comes, and 2 seconds have passed, before what was acknowledged can be read.
    async fn changed(&self, key: &ThreadKey, after: u64, deadline: Instant) -> Result<u64> {
        let left = deadline.saturating_duration_since(Instant::now());
        let caught_up = pin!(self.shared().caught_up(Some(key)));
        // Made only where there is something to wait for.
        let too_late = pin!(async { Delay::new(left.max(SYNC)).await });
        match select(caught_up, too_late).await {
            Either::Left((caught_up, _)) => caught_up?,
            Either::Right(_) => {
                let error =
                    "what was acknowledged is not durable by the deadline, and can't be read";
                return Err(LogError::unavailable(error));
            }
        }
        self.reader().changed(key, after, deadline).await
    }
}
