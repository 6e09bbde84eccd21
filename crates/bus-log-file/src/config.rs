//! [`FileLogConfig`]: how a file log uses memory, disk and file descriptors; [`Durability`]: when it acknowledges.

mod option;

use std::sync::Arc;
use std::time::Duration;

use crate::fs::{FileSystem, OsFileSystem};

/// How a [`FileSessionLog`](crate::FileSessionLog) uses memory, disk and file descriptors.
///
/// ```
/// use bus_log_file::{FileLogConfig, FileSessionLog};
///
/// let dir = tempfile::tempdir()?;
/// let config = FileLogConfig::default().with_segment_bytes(1 << 20);
/// let log = FileSessionLog::open_with(dir.path(), config)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct FileLogConfig {
    pub(crate) queue_bytes: usize,
    pub(crate) segment_bytes: u64,
    pub(crate) open_threads: usize,
    pub(crate) idle: Duration,
    pub(crate) durability: Durability,
    pub(crate) file_system: Arc<dyn FileSystem>,
    pub(crate) inotify: bool,
}

/// When an append is acknowledged: what a crash can lose of it.
///
/// In every mode a line stands in its session file only once it is durable, so that no crash takes back
/// what another process could read, and batches are kept or lost whole.
///
/// | | acknowledged | a killed process loses | a power cut loses |
/// |---|---|---|---|
/// | `Sync` | after the sync | nothing | nothing |
/// | `Interval(d)` | when its place is fixed | the last `d` and one sync | the last `d` and one sync |
/// | `Os` | when the operating system has it | nothing | the last 50 ms and one sync |
///
/// With the last two a read through the same log waits until what it acknowledged is durable; other handles and
/// processes see it then. If the disk refuses, what was acknowledged is kept in memory and written again until that
/// works. Meanwhile appends and reads fail with `Unavailable`. What a log that is closed in that state loses is counted in
/// [`FileLogStats::lost_events`](crate::FileLogStats::lost_events). The `d` and the 50 ms hold on a disk that keeps up: at
/// most [`queue_bytes`](FileLogConfig::with_queue_bytes) are acknowledged ahead of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Durability {
    /// Nothing that was acknowledged is ever lost.
    #[default]
    Sync,
    /// Acknowledged at once; synced all the time, each event at the latest after this long.
    Interval(Duration),
    /// Acknowledged when the operating system has it; synced in the background.
    Os,
}

impl FileLogConfig {
    /// When an append is acknowledged; default [`Durability::Sync`].
    #[must_use]
    pub fn with_durability(mut self, durability: Durability) -> Self {
        self.durability = durability;
        self
    }

    /// Bytes of encoded events that wait for the committer before `submit` blocks and `append`
    /// waits; default 64 MiB. A larger batch is taken when nothing else waits.
    #[must_use]
    pub fn with_queue_bytes(mut self, bytes: usize) -> Self {
        self.queue_bytes = bytes;
        self
    }

    /// Bytes of one journal segment before it is checkpointed; default 64 MiB. It bounds the time a
    /// recovery takes, and with at most two more segments that are ready to be used, the space the
    /// journal takes.
    #[must_use]
    pub fn with_segment_bytes(mut self, bytes: u64) -> Self {
        self.segment_bytes = bytes;
        self
    }

    /// How many sessions this process owns at most; the longest idle are let go when there are
    /// more. Each takes two file descriptors. At least 8; the default is an eighth of the
    /// process's limit of open files, between 8 and 4096.
    #[must_use]
    pub fn with_open_threads(mut self, threads: usize) -> Self {
        self.open_threads = threads.max(8);
        self
    }

    /// How long a session is idle before this process lets go of it, so that another may write it;
    /// default 30 s.
    #[must_use]
    pub fn with_idle(mut self, idle: Duration) -> Self {
        self.idle = idle;
        self
    }

    /// Whether the kernel is asked to tell what other processes write (inotify); default true. Where it
    /// can't, on other systems, on file systems of the network, or with its limits used up, and where it
    /// must not, files are looked at every 5 ms at first and every 250 ms in the end.
    #[must_use]
    pub fn with_inotify(mut self, inotify: bool) -> Self {
        self.inotify = inotify;
        self
    }

    /// What the log's folder is on; default the operating system's own. For tests: see [`fs`](crate::fs).
    #[must_use]
    pub fn with_file_system(mut self, file_system: Arc<dyn FileSystem>) -> Self {
        self.file_system = file_system;
        self
    }
}

impl Default for FileLogConfig {
    fn default() -> Self {
        let files = rustix::process::getrlimit(rustix::process::Resource::Nofile)
            .current
            .map_or(usize::MAX, |limit| {
                usize::try_from(limit).unwrap_or(usize::MAX)
            });
        Self {
            queue_bytes: 64 << 20,
            segment_bytes: 64 << 20,
            open_threads: open_threads(files),
            idle: Duration::from_secs(30),
            durability: Durability::Sync,
            file_system: Arc::new(OsFileSystem),
            inotify: true,
        }
    }
}

/// How many sessions to keep open where `files` may be: each takes two, so that these take a quarter, as
/// others in the process want some too.
fn open_threads(files: usize) -> usize {
    (files / 8).clamp(8, 4096)
}

#[cfg(test)]
mod tests;
