//! Reading a log without writing to its folder.

mod block_on;
mod doubt;
mod listing;
mod name_cache;
mod raw_event;
mod real;
mod torn_end;
mod usage;

use std::cell::Cell;
use std::fmt;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bus_log::{
    Bounds, Entry, Expect, LogError, Page, Recorded, Result, SessionLog, TenantId, ThreadKey,
    ThreadSummary, async_trait,
};
use futures_timer::Delay;
use futures_util::future::select;

use crate::committer::{PATIENCE, Shared};
use crate::config::FileLogConfig;
use crate::format;
use crate::fs::Disk;
use crate::layout::{Layout, ThreadId};
use crate::line::{Line, LineError};
use crate::session_file::{Snapshot, read_all, read_page, stable};
use crate::watch::{News, Watch};
use block_on::block_on;
use name_cache::NameCache;
pub use raw_event::RawEvent;
use real::{Asked, RealDamage};
pub use torn_end::TornEnd;
pub use usage::DiskUsage;

/// How long a wait lasts before the file is looked at again, where the kernel tells of every change.
const TOLD: Duration = Duration::from_secs(10);

/// How long it lasts at first and in the end where nobody tells.
const POLL: [Duration; 2] = [Duration::from_millis(5), Duration::from_millis(250)];

/// The reading half of a [`FileSessionLog`](crate::FileSessionLog), and a log of its own for who may
/// not or must not write: it takes no lock and changes nothing in the folder, so that a copy, a
/// read-only mount and another user's log can be read, while others write it or not.
///
/// Opened on its own, it does not bring home what dead processes left in their journals: what they
/// acknowledged last may not be shown. [`journals`](Self::journals) says whether that can be.
///
/// As a [`SessionLog`] it refuses to append, archive and erase as `Unsupported`.
///
/// *Damage.* A sync of a session file that fails can take lines of it, which the journal of its writer still has. The
/// reader of a [`FileSessionLog`](crate::FileSessionLog) has them put back and shows what was written. One in another
/// process can't: damage in what is still in the journal of a writer, living or dead, is `Unavailable` to it, and the error
/// names the place. That passes when the writer has mended it, or the log was opened to write after the writer died.
/// All other damage is `Corrupt`, whoever has the session. A list that can't name a thread fails in the same way once it
/// has told all others.
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use std::ops::ControlFlow;
/// use bus_log_file::{FileLogReader, FileSessionLog, SessionEvent, TenantId, ThreadKey};
///
/// let dir = tempfile::tempdir()?;
/// let key = ThreadKey::new(TenantId::new("acme"), "session-7");
/// let log = FileSessionLog::open(dir.path())?;
/// log.durable_sink(key.clone()).write(&SessionEvent::Done)?;
/// drop(log);
///
/// let reader = FileLogReader::open(dir.path())?;
/// assert_eq!(reader.journals()?, 0);
/// let mut types = Vec::new();
/// reader.scan(&key, 0, |event| {
///     types.push(event.event_type()?.into_owned());
///     Ok(ControlFlow::Continue(()))
/// })?;
/// assert_eq!(types, ["session.done"]);
/// # Ok(()) }
/// ```
pub struct FileLogReader {
    layout: Layout,
    names: NameCache,
    watch: Arc<Watch>,
    news: News,
    /// The log that it is the reading half of.
    writer: Option<Arc<Shared>>,
    /// Damage that nobody can mend.
    real: RealDamage,
}

impl FileLogReader {
    /// Opens the log in `dir` to read it.
    ///
    /// # Errors
    ///
    /// `Invalid` if the folder holds no log, `Unsupported` if it is one of another version,
    /// `Unavailable` if it can't be read.
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
        format::expect(&layout)?;
        Ok(Self::of(layout, &config, Arc::default()))
    }

    /// The reader of a log that is open here.
    pub(crate) fn of(layout: Layout, config: &FileLogConfig, watch: Arc<Watch>) -> Self {
        let news = News::new(&layout, config.inotify, Arc::clone(&watch));
        Self {
            layout,
            names: NameCache::default(),
            watch,
            news,
            writer: None,
            real: RealDamage::default(),
        }
    }

    /// The same, of a log that can mend what it holds.
    pub(crate) fn written_by(self, writer: Arc<Shared>) -> Self {
        let writer = Some(writer);
        Self { writer, ..self }
    }

    /// The folder.
    #[must_use]
    pub fn dir(&self) -> &Path {
        self.layout.root()
    }

    /// How many journals there are: of processes that have the log open, or that died. What was
    /// acknowledged and stands only in a dead one's is not shown before somebody opens the log to write;
    /// with 0 all is shown. A reader can't tell the two kinds apart without taking a lock.
    ///
    /// # Errors
    ///
    /// `Unavailable` if the folder can't be read.
    pub fn journals(&self) -> Result<usize> {
        let names = self.layout.disk.names(&self.layout.journals())?;
        Ok(names.len())
    }

    /// What the log takes on the disk.
    ///
    /// # Errors
    ///
    /// `Unavailable` if a folder can't be read.
    pub fn usage(&self) -> Result<DiskUsage> {
        usage::of(&self.layout)
    }

    /// The session files that end too early, in the order of their paths: within a line or a batch, or before
    /// the first one. Reading is not hindered by it, but acknowledged events may be missing.
    ///
    /// A file to which somebody writes can look so for a moment, and one whose owner died can until
    /// somebody opens the log to write; both are [`owned`](TornEnd::owned).
    ///
    /// # Errors
    ///
    /// `Unavailable` if a file or folder can't be read.
    pub fn torn_ends(&self) -> Result<Vec<TornEnd>> {
        torn_end::ends(&self.layout)
    }

    /// Shows every event after `cursor` to `see`, in order, until it breaks, and returns the cursor to
    /// go on from. What is appended meanwhile is not shown.
    ///
    /// Nothing is decoded that `see` does not ask for and nothing is copied, so that a session's
    /// ordinals and types are read an order of magnitude faster than its events. Sums are checked all the
    /// same. It blocks the thread, and holds one event at a time. Several threads may scan ranges
    /// of one session: an ordinal is found in a few reads.
    ///
    /// # Errors
    ///
    /// `Corrupt` if what is stored is damaged, `Unavailable` if that may pass; what was shown before is not damaged. And
    /// what `see` returns.
    pub fn scan(
        &self,
        key: &ThreadKey,
        cursor: u64,
        see: impl FnMut(RawEvent<'_>) -> Result<ControlFlow<()>>,
    ) -> Result<u64> {
        let sure = Cell::new(true);
        let judge =
            |damage| block_on(self.judge(key, damage, PATIENCE)).map(|is_sure| sure.set(is_sure));
        let scanned = raw_event::scan(&self.layout, key, cursor, see, judge);
        if let Err(damage) = &scanned
            && doubt::is_corrupt(damage)
            && !sure.get()
        {
            // What was written again may be lost once more.
            self.judge_of_others(key, damage.clone())?;
            return scanned;
        }
        self.note(key, Asked::all(cursor), &scanned);
        scanned
    }

    async fn page(
        &self,
        key: &ThreadKey,
        cursor: u64,
        limit: usize,
        make: fn(&Line<'_>) -> Result<Recorded, LineError>,
    ) -> Result<Page> {
        let read = || match Snapshot::open(&self.layout, key)? {
            Some((file, snapshot)) => read_page(&file, &snapshot, cursor, limit, make),
            None => Ok(Page::default()),
        };
        let asked = Asked { cursor, limit };
        self.judged(key, asked, || stable(read)).await
    }
}

impl FileLogReader {
    async fn bounds_within(&self, key: &ThreadKey, patience: Duration) -> Result<Bounds> {
        let look = || Snapshot::open(&self.layout, key);
        let found = self.judged_within(key, Asked::BOUNDS, patience, look);
        let bounds = |(_, snapshot): (_, Snapshot)| snapshot.bounds();
        Ok(found.await?.map_or_else(Bounds::default, bounds))
    }
}

impl fmt::Debug for FileLogReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FileLogReader")
            .field("dir", &self.dir())
            .finish_non_exhaustive()
    }
}

fn read_only<T>() -> Result<T> {
    Err(LogError::unsupported("the log is open to read it only"))
}

#[async_trait]
impl SessionLog for FileLogReader {
    async fn append_entries(&self, _: &ThreadKey, _: Expect, _: &[Entry]) -> Result<u64> {
        read_only()
    }

    async fn read(&self, key: &ThreadKey, cursor: u64, limit: usize) -> Result<Page> {
        self.page(key, cursor, limit, |line| line.typed()).await
    }

    async fn load_since(&self, key: &ThreadKey, cursor: u64) -> Result<Vec<Recorded>> {
        let read = || match Snapshot::open(&self.layout, key)? {
            Some((file, snapshot)) => read_all(&file, &snapshot, cursor),
            None => Ok(Vec::new()),
        };
        let asked = Asked::all(cursor);
        self.judged(key, asked, || stable(read)).await
    }

    async fn read_raw(&self, key: &ThreadKey, cursor: u64, limit: usize) -> Result<Page> {
        self.page(key, cursor, limit, |line| line.raw()).await
    }

    async fn archive_before(&self, _: &ThreadKey, _: u64) -> Result<usize> {
        read_only()
    }

    async fn bounds(&self, key: &ThreadKey) -> Result<Bounds> {
        self.bounds_within(key, PATIENCE).await
    }

    async fn list(
        &self,
        tenant: &TenantId,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<ThreadSummary>> {
        let look = || listing::threads(&self.layout, &self.names, tenant, after, limit);
        self.judged_list(look).await
    }

    async fn tenants(&self, after: Option<&TenantId>, limit: usize) -> Result<Vec<TenantId>> {
        let look = || listing::tenants(&self.layout, &self.names, after, limit);
        self.judged_list(look).await
    }

    async fn erase(&self, _: &ThreadKey) -> Result<()> {
        read_only()
    }

    /// Woken at once by appends through the log it belongs to, and by those of other processes where the
    /// kernel tells of them. `Unavailable` also if the deadline comes before it is known whether damage is real.
    async fn changed(&self, key: &ThreadKey, after: u64, deadline: Instant) -> Result<u64> {
        let id = ThreadId::new(key);
        let [mut pause, longest] = POLL;
        loop {
            // First the places, then the look: what comes in between wakes.
            let place = self.watch.place(id);
            let told = match place.is_written_here() {
                true => None,
                false => self.news.of(id, || self.layout.thread(key)),
            };
            let left = deadline.saturating_duration_since(Instant::now());
            let last = self.bounds_within(key, PATIENCE.min(left)).await?.last;
            let left = deadline.saturating_duration_since(Instant::now());
            if last > after || left.is_zero() {
                return Ok(last);
            }
            let most = if told.is_some() { TOLD } else { pause };
            select(Box::pin(place.woken()), Delay::new(most.min(left))).await;
            pause = (pause * 2).min(longest);
        }
    }
}
