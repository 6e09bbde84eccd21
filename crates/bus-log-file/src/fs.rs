//! The seam between a log and the disk: all that is read, written, locked and named goes through it. Only
//! the kernel's news of other processes do not: see [`with_inotify`](crate::FileLogConfig::with_inotify).
//!
//! A log runs on [`OsFileSystem`] unless
//! [`with_file_system`](crate::FileLogConfig::with_file_system) gives it another
//! [`FileSystem`]: one that counts, refuses, or forgets what was not synced. The operations are those
//! of the operating system, short reads and writes included, so that a fault comes from where it comes
//! in earnest.
//!
//! ```
//! use std::ffi::OsString;
//! use std::io;
//! use std::path::Path;
//! use std::sync::Arc;
//!
//! use bus_log_file::fs::{File, FileSystem, Metadata, OpenMode, OsFileSystem};
//! use bus_log_file::{FileLogConfig, FileSessionLog, LogErrorKind};
//!
//! /// A disk that makes no folder.
//! #[derive(Debug)]
//! struct Full(OsFileSystem);
//!
//! impl FileSystem for Full {
//!     fn create_dir(&self, _path: &Path) -> io::Result<()> {
//!         Err(io::ErrorKind::StorageFull.into())
//!     }
//!     fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Box<dyn File>> {
//!         self.0.open(path, mode)
//!     }
//!     fn metadata(&self, path: &Path) -> io::Result<Metadata> {
//!         self.0.metadata(path)
//!     }
//!     fn names(&self, path: &Path) -> io::Result<Vec<OsString>> {
//!         self.0.names(path)
//!     }
//!     fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
//!         self.0.rename(from, to)
//!     }
//!     fn remove_file(&self, path: &Path) -> io::Result<()> {
//!         self.0.remove_file(path)
//!     }
//!     fn remove_dir(&self, path: &Path) -> io::Result<()> {
//!         self.0.remove_dir(path)
//!     }
//!     fn sync_dir(&self, path: &Path) -> io::Result<()> {
//!         self.0.sync_dir(path)
//!     }
//! }
//!
//! let dir = tempfile::tempdir()?;
//! let config = FileLogConfig::default().with_file_system(Arc::new(Full(OsFileSystem)));
//! let error = FileSessionLog::open_with(dir.path().join("log"), config).unwrap_err();
//! assert_eq!(error.kind(), LogErrorKind::Unavailable);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod disk;
mod error;
#[cfg(test)]
pub(crate) mod hooked;
mod os;
mod seam;

pub(crate) use disk::{Disk, DiskFile, parent};
pub(crate) use error::{DiskError, Result};
pub use os::OsFileSystem;
pub use seam::{File, FileId, FileSystem, Locked, Metadata, OpenMode};

#[cfg(test)]
mod tests;
