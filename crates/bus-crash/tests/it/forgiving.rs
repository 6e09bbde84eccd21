//! The embedded log, read by somebody who takes damage for an end.

use std::sync::Arc;

use bus_crash::play::{FileLog, Settings, Subject};
use bus_log::{LogErrorKind, Page, Result, SessionLog};
use bus_log_file::fs::FileSystem;
use bus_testkit::{Tamper, Tampered};

pub(crate) struct Forgiving;

impl Subject for Forgiving {
    fn open(&self, files: Arc<dyn FileSystem>, settings: Settings) -> Result<Arc<dyn SessionLog>> {
        Ok(forgiving(FileLog.open(files, settings)?))
    }

    fn reader(&self, files: Arc<dyn FileSystem>) -> Result<Arc<dyn SessionLog>> {
        Ok(forgiving(FileLog.reader(files)?))
    }
}

fn forgiving(log: Arc<dyn SessionLog>) -> Arc<dyn SessionLog> {
    let tamper = Tamper::new()
        .on_read(|_, log, key, cursor, limit| {
            Box::pin(async move { forgive(log.read(key, cursor, limit).await) })
        })
        .on_read_raw(|_, log, key, cursor, limit| {
            Box::pin(async move { forgive(log.read_raw(key, cursor, limit).await) })
        });
    Arc::new(Tampered::new(tamper, log))
}

fn forgive(read: Result<Page>) -> Result<Page> {
    match read {
        Err(error) if error.kind() == LogErrorKind::Corrupt => Ok(Page::default()),
        read => read,
    }
}
