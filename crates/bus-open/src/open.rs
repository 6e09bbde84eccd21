//! From a URL to a log.

use std::path::Path;
use std::sync::Arc;

use bus_log::{InMemorySessionLog, Result, SessionLog};

use crate::LogUrl;
use crate::url::Place;

/// Opens the log that `url` names: see [`LogUrl::parse`] for what is accepted.
///
/// # Errors
///
/// `Invalid` if the URL names no log that is built in; otherwise what the backend says on opening.
pub async fn open(url: &str) -> Result<Arc<dyn SessionLog>> {
    LogUrl::parse(url)?.open().await
}

impl LogUrl {
    /// Opens the log. A directory that does not exist is created; `memory:` gives a new log each
    /// time.
    ///
    /// # Errors
    ///
    /// `Invalid` if the backend is not built in; otherwise what it says on opening.
    #[expect(
        clippy::unused_async,
        reason = "a backend that must connect first will await here"
    )]
    pub async fn open(&self) -> Result<Arc<dyn SessionLog>> {
        match self.place() {
            Place::Directory(path) => open_directory(path),
            Place::Memory => Ok(Arc::new(InMemorySessionLog::new())),
        }
    }
}

#[cfg(feature = "file")]
fn open_directory(path: &Path) -> Result<Arc<dyn SessionLog>> {
    Ok(Arc::new(bus_log_file::FileSessionLog::open(path)?))
}

#[cfg(not(feature = "file"))]
fn open_directory(_path: &Path) -> Result<Arc<dyn SessionLog>> {
    Err(crate::url::not_built_in("file"))
}

#[cfg(test)]
mod tests;
