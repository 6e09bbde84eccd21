//! What a log asks of a disk.

use std::ffi::OsString;
use std::fmt;
use std::io;
use std::path::Path;
use std::time::SystemTime;

/// A file system that a log can live on.
///
/// Errors are those of the operating system; their kinds matter where a method says so. What a power
/// cut may take, and what not, is `docs/file-format.md`, section 5.
pub trait FileSystem: fmt::Debug + Send + Sync + 'static {
    /// Opens a file.
    ///
    /// # Errors
    ///
    /// `NotFound` if there is none, or, with [`OpenMode::Create`], no folder for it.
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Box<dyn File>>;

    /// What has this name now; links are followed.
    ///
    /// # Errors
    ///
    /// `NotFound` if nothing has.
    fn metadata(&self, path: &Path) -> io::Result<Metadata>;

    /// The names in a folder, in any order.
    ///
    /// # Errors
    ///
    /// `NotFound` if there is no such folder.
    fn names(&self, path: &Path) -> io::Result<Vec<OsString>>;

    /// Makes one folder (0700); the one above it is there.
    ///
    /// # Errors
    ///
    /// `AlreadyExists` if something has its name.
    fn create_dir(&self, path: &Path) -> io::Result<()>;

    /// Gives a file another name in the same folder, in one step; a file that has that name loses it.
    ///
    /// # Errors
    ///
    /// `NotFound` if there is no such file.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Removes a file's name. Who has the file open goes on using it.
    ///
    /// # Errors
    ///
    /// `NotFound` if there is no such file.
    fn remove_file(&self, path: &Path) -> io::Result<()>;

    /// Removes an empty folder.
    ///
    /// # Errors
    ///
    /// `NotFound` if there is none, another kind if it is not empty.
    fn remove_dir(&self, path: &Path) -> io::Result<()>;

    /// Makes the names in a folder durable.
    ///
    /// # Errors
    ///
    /// Those of the operating system. After one, nothing is known of the names changed since the last
    /// good sync.
    fn sync_dir(&self, path: &Path) -> io::Result<()>;
}

/// An open file. Dropping it closes it and gives its lock back.
pub trait File: fmt::Debug + Send + Sync {
    /// Reads up to `buf.len()` bytes at `position`; 0 at the end of the file. May read fewer.
    ///
    /// # Errors
    ///
    /// `Interrupted` asks to try again.
    fn read_at(&self, buf: &mut [u8], position: u64) -> io::Result<usize>;

    /// Writes at `position`, and says how many bytes; may write fewer than it was given. What lies
    /// between the end of the file and `position` reads as zeros.
    ///
    /// # Errors
    ///
    /// `Interrupted` asks to try again.
    fn write_at(&self, bytes: &[u8], position: u64) -> io::Result<usize>;

    /// Cuts the file, or lengthens it by zeros.
    ///
    /// # Errors
    ///
    /// Those of the operating system.
    fn set_len(&self, len: u64) -> io::Result<()>;

    /// Makes the file's bytes durable, and what is needed to find them (`fdatasync`).
    ///
    /// # Errors
    ///
    /// Those of the operating system. After one, nothing is known of what was written since the last
    /// good sync, also if the next one is good.
    fn sync(&self) -> io::Result<()>;

    /// What this file is now.
    ///
    /// # Errors
    ///
    /// Those of the operating system.
    fn metadata(&self) -> io::Result<Metadata>;

    /// Takes the file's lock without waiting. A lock is that of this open file, not of the process, and
    /// goes with it (`flock`).
    ///
    /// # Errors
    ///
    /// Those of the operating system; that somebody else has it is none.
    fn try_lock(&self) -> io::Result<Locked>;

    /// Gives the lock back now, even if a child process that was just forked still has the file.
    ///
    /// # Errors
    ///
    /// Those of the operating system. Closing the file does the same.
    fn unlock(&self) -> io::Result<()>;
}

/// How a file is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpenMode {
    /// To read it.
    Read,
    /// To read and write it.
    Write,
    /// To read and write it; it is made (0600) if there is none.
    Create,
}

/// Whether a lock was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Locked {
    /// It is ours.
    Taken,
    /// Somebody else has it.
    Held,
}

/// What is known of a file or folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Metadata {
    /// Which file it is.
    pub id: FileId,
    /// Bytes.
    pub len: u64,
    /// Names that it has; 0 for an open file that was removed or replaced. 1 where that is not known.
    pub links: u64,
    /// Bytes it takes on the disk; its length where that is not known.
    pub allocated: u64,
    /// Of a folder, when names in it changed; `None` if that is not known. Of a file nobody asks: see
    /// [`OsFileSystem`](super::OsFileSystem).
    pub modified: Option<SystemTime>,
}

impl Metadata {
    /// A file and its length in bytes.
    #[must_use]
    pub const fn new(id: FileId, len: u64) -> Self {
        Self {
            id,
            len,
            links: 1,
            allocated: len,
            modified: None,
        }
    }

    /// Sets how many names it has.
    #[must_use]
    pub const fn with_links(mut self, links: u64) -> Self {
        self.links = links;
        self
    }

    /// Sets the bytes it takes on the disk.
    #[must_use]
    pub const fn with_allocated(mut self, bytes: u64) -> Self {
        self.allocated = bytes;
        self
    }

    /// Sets the time at which names in the folder changed.
    #[must_use]
    pub const fn with_modified(mut self, modified: Option<SystemTime>) -> Self {
        self.modified = modified;
        self
    }
}

/// Tells a file from every other one there is at that time, whatever its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub struct FileId {
    /// The device it is on.
    pub device: u64,
    /// Its number there (inode).
    pub number: u64,
}

impl FileId {
    /// The file of this number (inode) on this device.
    #[must_use]
    pub const fn new(device: u64, number: u64) -> Self {
        Self { device, number }
    }
}
