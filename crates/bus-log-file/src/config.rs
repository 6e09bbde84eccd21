//! What can be set.

use std::time::Duration;

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
    pub(crate) group_bytes: usize,
    pub(crate) segment_bytes: u64,
    pub(crate) open_threads: usize,
    pub(crate) idle: Duration,
}

impl FileLogConfig {
    /// Bytes of encoded events that wait for the committer before `submit` blocks and `append`
    /// waits; default 64 MiB. A larger batch is taken when nothing else waits.
    #[must_use]
    pub fn with_queue_bytes(mut self, bytes: usize) -> Self {
        self.queue_bytes = bytes;
        self
    }

    /// Bytes of one journal segment before it is checkpointed; default 64 MiB. It bounds the space
    /// the journal takes and the time a recovery takes.
    #[must_use]
    pub fn with_segment_bytes(mut self, bytes: u64) -> Self {
        self.segment_bytes = bytes;
        self
    }

    /// How many sessions this process owns at most; the longest idle are let go when there are
    /// more. Each takes two file descriptors. At least 8; the default is an eighth of the
    /// process's limit of open files, between 64 and 4096.
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
            group_bytes: 16 << 20,
            segment_bytes: 64 << 20,
            open_threads: open_threads(files),
            idle: Duration::from_secs(30),
        }
    }
}

/// How many sessions to keep open where `files` may be: each takes two, and a quarter is enough, as
/// others in the process want some too.
fn open_threads(files: usize) -> usize {
    (files / 8).clamp(8, 4096)
}

#[cfg(test)]
mod tests;
