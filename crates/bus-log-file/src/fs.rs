//! Every file operation of the crate, in one place.

use std::ffi::OsString;
use std::fmt;
use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileExt, MetadataExt, OpenOptionsExt};
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
    fn new(action: &'static str, path: &Path, source: io::Error) -> Self {
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

/// The disk. A value and not free functions, so that another one can be put in its place.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Disk;

/// Whether a lock was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Locked {
    Taken,
    Held,
}

impl Disk {
    /// Opens a file to read it; `None` if there is none.
    pub(crate) fn open(self, path: &Path) -> Result<Option<DiskFile>> {
        self.open_by(path, OpenOptions::new().read(true))
    }

    /// Opens a file to read and write it; `None` if there is none.
    pub(crate) fn open_rw(self, path: &Path) -> Result<Option<DiskFile>> {
        self.open_by(path, OpenOptions::new().read(true).write(true))
    }

    /// Opens a file to read and write it, and makes it (0600) if there is none; `None` if its
    /// folder is missing.
    pub(crate) fn create(self, path: &Path) -> Result<Option<DiskFile>> {
        self.open_by(
            path,
            OpenOptions::new()
                .read(true)
                .write(true)
                .create(true)
                .truncate(false)
                .mode(0o600),
        )
    }

    fn open_by(self, path: &Path, options: &OpenOptions) -> Result<Option<DiskFile>> {
        match options.open(path) {
            Ok(file) => Ok(Some(DiskFile {
                file,
                path: path.to_owned(),
            })),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(DiskError::new("open", path, error)),
        }
    }

    /// True if there is something of this name.
    pub(crate) fn exists(self, path: &Path) -> Result<bool> {
        path.try_exists()
            .map_err(|error| DiskError::new("look for", path, error))
    }

    /// Makes a folder (0700) and those above it; true if it was not there.
    pub(crate) fn create_dir(self, path: &Path) -> Result<bool> {
        if path.is_dir() {
            return Ok(false);
        }
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(path)
            .map(|()| true)
            .map_err(|error| DiskError::new("make folder", path, error))
    }

    /// The names in a folder; none if it is missing.
    pub(crate) fn names(self, path: &Path) -> Result<Vec<OsString>> {
        let entries = match fs::read_dir(path) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(DiskError::new("list", path, error)),
        };
        entries
            .map(|entry| entry.map(|entry| entry.file_name()))
            .collect::<io::Result<_>>()
            .map_err(|error| DiskError::new("list", path, error))
    }

    pub(crate) fn rename(self, from: &Path, to: &Path) -> Result<()> {
        fs::rename(from, to).map_err(|error| DiskError::new("rename to", to, error))
    }

    /// Removes a file; one that is missing is removed already.
    pub(crate) fn remove(self, path: &Path) -> Result<()> {
        match fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(DiskError::new("remove", path, error))
            }
            _ => Ok(()),
        }
    }

    /// Removes an empty folder; false if it is not empty or not there.
    pub(crate) fn remove_dir(self, path: &Path) -> bool {
        fs::remove_dir(path).is_ok()
    }

    /// Makes the names in a folder durable.
    pub(crate) fn sync_dir(self, path: &Path) -> Result<()> {
        File::open(path)
            .and_then(|dir| dir.sync_all())
            .map_err(|error| DiskError::new("sync folder", path, error))
    }
}

/// An open file, read and written at positions.
#[derive(Debug)]
pub(crate) struct DiskFile {
    file: File,
    path: PathBuf,
}

impl DiskFile {
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn len(&self) -> Result<u64> {
        self.file
            .metadata()
            .map(|metadata| metadata.len())
            .map_err(|error| DiskError::new("measure", &self.path, error))
    }

    /// Reads up to `buf.len()` bytes at `position`; fewer only at the end of the file.
    pub(crate) fn read_at(&self, buf: &mut [u8], position: u64) -> Result<usize> {
        let mut filled = 0;
        while filled < buf.len() {
            match self
                .file
                .read_at(&mut buf[filled..], position + filled as u64)
            {
                Ok(0) => break,
                Ok(read) => filled += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(DiskError::new("read", &self.path, error)),
            }
        }
        Ok(filled)
    }

    /// The bytes from `position` to `end`, fewer only at the end of the file.
    pub(crate) fn range(&self, position: u64, end: u64) -> Result<Vec<u8>> {
        let len = usize::try_from(end.saturating_sub(position)).unwrap_or(usize::MAX);
        let mut bytes = vec![0; len];
        let read = self.read_at(&mut bytes, position)?;
        bytes.truncate(read);
        Ok(bytes)
    }

    pub(crate) fn write_at(&self, bytes: &[u8], position: u64) -> Result<()> {
        self.file
            .write_all_at(bytes, position)
            .map_err(|error| DiskError::new("write", &self.path, error))
    }

    pub(crate) fn set_len(&self, len: u64) -> Result<()> {
        self.file
            .set_len(len)
            .map_err(|error| DiskError::new("cut", &self.path, error))
    }

    /// Makes what was written durable (`fdatasync`).
    pub(crate) fn sync(&self) -> Result<()> {
        self.file
            .sync_data()
            .map_err(|error| DiskError::new("sync", &self.path, error))
    }

    /// Takes the file's lock (`flock`) without waiting.
    pub(crate) fn try_lock(&self) -> Result<Locked> {
        match self.file.try_lock() {
            Ok(()) => Ok(Locked::Taken),
            Err(TryLockError::WouldBlock) => Ok(Locked::Held),
            Err(TryLockError::Error(error)) => Err(DiskError::new("lock", &self.path, error)),
        }
    }

    /// Gives the lock back now, even if a child process that was just forked still has the file.
    pub(crate) fn unlock(&self) {
        // Closing the file does the same where this fails.
        let _ = self.file.unlock();
    }

    /// True if the file's path still names this file.
    pub(crate) fn is_current(&self) -> Result<bool> {
        self.is_current_with(0)
    }

    /// True if the file's path still names this file, and it has at least `len` bytes.
    pub(crate) fn is_current_with(&self, len: u64) -> Result<bool> {
        let ours = self
            .file
            .metadata()
            .map_err(|error| DiskError::new("look at", &self.path, error))?;
        match fs::metadata(&self.path) {
            Ok(named) => {
                Ok((named.dev(), named.ino()) == (ours.dev(), ours.ino()) && named.len() >= len)
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(DiskError::new("look at", &self.path, error)),
        }
    }
}
