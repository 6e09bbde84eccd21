//! What is put to the test.

use std::future::Future;
use std::ops::ControlFlow;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::Duration;

use bus_log::{Recorded, Result, SessionLog, TenantId, ThreadKey};
use bus_log_file::fs::FileSystem;
use bus_log_file::{Durability, FileLogConfig, FileLogReader, FileSessionLog};

use super::history::Keeps;

/// How a log is set for a script.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Bytes of a journal segment.
    pub segment_bytes: u64,
    /// When an idle session is let go.
    pub idle: Duration,
    /// How many sessions are owned at once.
    pub open_threads: usize,
    /// When an append is acknowledged.
    pub durability: Durability,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            segment_bytes: 4 << 10,
            idle: Duration::from_secs(3600),
            open_threads: 64,
            durability: Durability::Sync,
        }
    }
}

impl Settings {
    /// What must be left of what was acknowledged when the power is cut, or else when the process is killed. A reader
    /// in another process need not see more than the first.
    pub(crate) fn keeps(&self, cut: bool) -> Keeps {
        match self.durability {
            Durability::Sync => Keeps::Told,
            Durability::Os if !cut => Keeps::Told,
            _ => Keeps::Seen,
        }
    }
}

/// A kind of log that is put to the test.
pub trait Subject: Sync {
    /// Opens the log on this file system, as one more process.
    ///
    /// # Errors
    ///
    /// Those of the log.
    fn open(&self, files: Arc<dyn FileSystem>, settings: Settings) -> Result<Arc<dyn SessionLog>>;

    /// Opens the log to read it: nothing is locked, and nothing changed.
    ///
    /// # Errors
    ///
    /// Those of the log.
    fn reader(&self, files: Arc<dyn FileSystem>) -> Result<Arc<dyn SessionLog>>;

    /// Shows every event of a session, read in the way that only this kind of log has; `None` if it has none.
    ///
    /// # Errors
    ///
    /// Those of the log.
    fn scan(
        &self,
        _files: Arc<dyn FileSystem>,
        _key: &ThreadKey,
        _see: &mut dyn FnMut(Recorded),
    ) -> Option<Result<()>> {
        None
    }

    /// How many sessions end too early, if this kind of log can say so.
    ///
    /// # Errors
    ///
    /// Those of the log.
    fn torn_ends(&self, _files: Arc<dyn FileSystem>) -> Result<usize> {
        Ok(0)
    }
}

/// The embedded log.
#[derive(Clone, Copy, Debug, Default)]
pub struct FileLog;

impl Subject for FileLog {
    fn open(&self, files: Arc<dyn FileSystem>, settings: Settings) -> Result<Arc<dyn SessionLog>> {
        let config = FileLogConfig::default()
            .with_file_system(files)
            .with_segment_bytes(settings.segment_bytes)
            .with_idle(settings.idle)
            .with_open_threads(settings.open_threads)
            .with_durability(settings.durability);
        Ok(Arc::new(FileSessionLog::open_with("/log", config)?))
    }

    fn reader(&self, files: Arc<dyn FileSystem>) -> Result<Arc<dyn SessionLog>> {
        Ok(Arc::new(file_reader(files)?))
    }

    fn scan(
        &self,
        files: Arc<dyn FileSystem>,
        key: &ThreadKey,
        see: &mut dyn FnMut(Recorded),
    ) -> Option<Result<()>> {
        let scanned = file_reader(files).and_then(|reader| {
            reader.scan(key, 0, |event| {
                see(event.decode()?);
                Ok(ControlFlow::Continue(()))
            })
        });
        Some(scanned.map(drop))
    }

    fn torn_ends(&self, files: Arc<dyn FileSystem>) -> Result<usize> {
        Ok(file_reader(files)?.torn_ends()?.len())
    }
}

fn file_reader(files: Arc<dyn FileSystem>) -> Result<FileLogReader> {
    let config = FileLogConfig::default().with_file_system(files);
    FileLogReader::open_with("/log", config)
}

/// The key of a script's session. Two of them share a tenant.
pub(crate) fn key(session: usize) -> ThreadKey {
    let tenant = TenantId::new(format!("t{}", session / 2));
    ThreadKey::new(tenant, format!("s{session}"))
}

/// Runs a future with nothing around it.
pub(crate) fn block_on<F: Future>(future: F) -> F::Output {
    struct Unpark(Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(output) => return output,
            Poll::Pending => thread::park(),
        }
    }
}
