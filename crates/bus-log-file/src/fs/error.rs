//! A file operation that failed, and where.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use bus_log::LogError;

/// The result of a file operation.
pub(crate) type Result<T, E = DiskError> = std::result::Result<T, E>;

/// A file operation that failed, and where.
#[derive(Debug)]
pub(crate) struct DiskError {
    action: &'static str,
    path: PathBuf,
    source: io::Error,
}

impl DiskError {
    pub(super) fn new(action: &'static str, path: &Path, source: io::Error) -> Self {
        Self {
            action,
            path: path.to_owned(),
            source,
        }
    }

    /// A folder that must be there is not.
    pub(crate) fn missing(action: &'static str, path: &Path) -> Self {
        Self::new(action, path, io::ErrorKind::NotFound.into())
    }

    /// Somebody panicked while a log's files were written: nobody goes on with what that left.
    pub(crate) fn given_up(root: &Path) -> Self {
        let source = io::Error::other("the log's writer panicked");
        Self::new("go on writing in", root, source)
    }

    /// True if the user may not do this.
    pub(crate) fn is_denied(&self) -> bool {
        self.source.kind() == io::ErrorKind::PermissionDenied
    }

    /// The same error once more, for one more of those who wait.
    pub(crate) fn again(&self) -> Self {
        let source = match self.source.raw_os_error() {
            Some(code) => io::Error::from_raw_os_error(code),
            None => io::Error::new(self.source.kind(), self.source.to_string()),
        };
        Self::new(self.action, &self.path, source)
    }
}

impl fmt::Display for DiskError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "can't {} {}", self.action, self.path.display())
    }
}

impl std::error::Error for DiskError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.source)
    }
}

impl From<DiskError> for LogError {
    fn from(error: DiskError) -> Self {
        Self::unavailable(error.to_string()).with_source(error.source)
    }
}
