//! The handle through which the crate uses a file system: it says which operation failed where.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use super::{
    DiskError, File, FileId, FileSystem, Locked, Metadata, OpenMode, OsFileSystem, Result,
};

/// The disk a log is on.
#[derive(Clone, Debug)]
pub(crate) struct Disk(Arc<dyn FileSystem>);

impl Default for Disk {
    fn default() -> Self {
        Self(Arc::new(OsFileSystem))
    }
}

impl Disk {
    pub(crate) fn new(files: Arc<dyn FileSystem>) -> Self {
        Self(files)
    }

    /// Opens a file to read it; `None` if there is none.
    pub(crate) fn open(&self, path: &Path) -> Result<Option<DiskFile>> {
        self.open_by(path, OpenMode::Read)
    }

    /// Opens a file to read and write it; `None` if there is none.
    pub(crate) fn open_rw(&self, path: &Path) -> Result<Option<DiskFile>> {
        self.open_by(path, OpenMode::Write)
    }

    /// Opens a file to read and write it, and makes it (0600) if there is none; `None` if its
    /// folder is missing.
    pub(crate) fn create(&self, path: &Path) -> Result<Option<DiskFile>> {
        self.open_by(path, OpenMode::Create)
    }

    fn open_by(&self, path: &Path, mode: OpenMode) -> Result<Option<DiskFile>> {
        let opened = found(self.0.open(path, mode)).map_err(at("open", path))?;
        Ok(opened.map(|file| DiskFile {
            file,
            disk: self.clone(),
            path: path.to_owned(),
            id: OnceLock::new(),
            replaced: AtomicBool::new(false),
        }))
    }

    /// True if there is something of this name.
    pub(crate) fn exists(&self, path: &Path) -> Result<bool> {
        let found = found(self.0.metadata(path)).map_err(at("look for", path))?;
        Ok(found.is_some())
    }

    /// What has this name; `None` if nothing has.
    pub(crate) fn look(&self, path: &Path) -> Result<Option<Metadata>> {
        found(self.0.metadata(path)).map_err(at("look at", path))
    }

    /// Makes a folder (0700) and those above it; true if it was not there. The names of those above
    /// it are durable then, its own is not.
    pub(crate) fn create_dir(&self, path: &Path) -> Result<bool> {
        if self.exists(path)? {
            return Ok(false);
        }
        if let Some(above) = parent(path)
            && self.create_dir(above)?
            && let Some(top) = parent(above)
        {
            self.sync_dir(top)?;
        }
        match self.0.create_dir(path) {
            // Somebody else just made it, and may not have come to syncing it.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(true),
            made => made.map(|()| true).map_err(at("make folder", path)),
        }
    }

    /// The names in a folder; none if it is missing, or no folder.
    pub(crate) fn names(&self, path: &Path) -> Result<Vec<OsString>> {
        match self.0.names(path) {
            Err(error) if error.kind() == io::ErrorKind::NotADirectory => Ok(Vec::new()),
            names => Ok(found(names).map_err(at("list", path))?.unwrap_or_default()),
        }
    }

    pub(crate) fn rename(&self, from: &Path, to: &Path) -> Result<()> {
        self.0.rename(from, to).map_err(at("rename to", to))
    }

    /// Removes a file; one that is missing is removed already.
    pub(crate) fn remove(&self, path: &Path) -> Result<()> {
        found(self.0.remove_file(path))
            .map(drop)
            .map_err(at("remove", path))
    }

    /// Removes an empty folder; false if it is not empty or not there.
    pub(crate) fn remove_dir(&self, path: &Path) -> bool {
        self.0.remove_dir(path).is_ok()
    }

    /// Makes the names in a folder durable.
    pub(crate) fn sync_dir(&self, path: &Path) -> Result<()> {
        self.0.sync_dir(path).map_err(at("sync folder", path))
    }
}

/// An open file, read and written at positions.
#[derive(Debug)]
pub(crate) struct DiskFile {
    file: Box<dyn File>,
    disk: Disk,
    path: PathBuf,
    /// Asked for once: it never changes.
    id: OnceLock<FileId>,
    /// Its path names another file, or is just about to, by our own doing.
    replaced: AtomicBool,
}

impl DiskFile {
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn len(&self) -> Result<u64> {
        let found = self.file.metadata().map_err(at("measure", &self.path))?;
        Ok(found.len)
    }

    /// Reads up to `buf.len()` bytes at `position`; fewer only at the end of the file.
    pub(crate) fn read_at(&self, buf: &mut [u8], position: u64) -> Result<usize> {
        let mut filled = 0;
        while filled < buf.len() {
            let read = self
                .file
                .read_at(&mut buf[filled..], position + filled as u64);
            match again(read).map_err(at("read", &self.path))? {
                Some(0) => break,
                read => filled += read.unwrap_or_default(),
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
        let mut done = 0;
        while done < bytes.len() {
            let wrote = self.file.write_at(&bytes[done..], position + done as u64);
            match again(wrote).map_err(at("write", &self.path))? {
                Some(0) => return Err(at("write", &self.path)(io::ErrorKind::WriteZero.into())),
                wrote => done += wrote.unwrap_or_default(),
            }
        }
        Ok(())
    }

    pub(crate) fn set_len(&self, len: u64) -> Result<()> {
        self.file.set_len(len).map_err(at("cut", &self.path))
    }

    /// Makes what was written durable (`fdatasync`).
    pub(crate) fn sync(&self) -> Result<()> {
        self.file.sync().map_err(at("sync", &self.path))
    }

    /// Takes the file's lock (`flock`) without waiting.
    pub(crate) fn try_lock(&self) -> Result<Locked> {
        self.file.try_lock().map_err(at("lock", &self.path))
    }

    /// Gives the lock back now, even if a child process that was just forked still has the file.
    pub(crate) fn unlock(&self) {
        // Closing the file does the same where this fails.
        let _ = self.file.unlock();
    }

    /// Says before a rename that this file's path is to name another one, or that it does not come to that.
    pub(crate) fn set_replaced(&self, replaced: bool) {
        self.replaced.store(replaced, Ordering::SeqCst);
    }

    /// True if it is we who gave its path to another file.
    pub(crate) fn is_replaced(&self) -> bool {
        self.replaced.load(Ordering::SeqCst)
    }

    /// How many names the file still has, and bytes.
    pub(crate) fn links_and_len(&self) -> Result<(u64, u64)> {
        let found = self.file.metadata().map_err(at("look at", &self.path))?;
        Ok((found.links, found.len))
    }

    /// True if the file's path still names this file.
    pub(crate) fn is_current(&self) -> Result<bool> {
        self.is_current_with(0)
    }

    /// True if the file's path still names this file, and it has at least `len` bytes.
    pub(crate) fn is_current_with(&self, len: u64) -> Result<bool> {
        let ours = match self.id.get() {
            Some(id) => *id,
            None => {
                let ours = self.file.metadata().map_err(at("look at", &self.path))?;
                *self.id.get_or_init(|| ours.id)
            }
        };
        let named = found(self.disk.0.metadata(&self.path)).map_err(at("look at", &self.path))?;
        Ok(named.is_some_and(|named| named.id == ours && named.len >= len))
    }
}

/// The folder in which a path's last name stands.
pub(crate) fn parent(path: &Path) -> Option<&Path> {
    let above = path.parent()?;
    // That of a relative path of one name is the working directory.
    Some(if above.as_os_str().is_empty() {
        Path::new(".")
    } else {
        above
    })
}

/// What fails where.
fn at<'p>(action: &'static str, path: &'p Path) -> impl Fn(io::Error) -> DiskError + 'p {
    move |source| DiskError::new(action, path, source)
}

/// `None` for what is not there.
fn found<T>(outcome: io::Result<T>) -> io::Result<Option<T>> {
    match outcome {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        outcome => outcome.map(Some),
    }
}

/// `None` for what a signal interrupted.
fn again<T>(outcome: io::Result<T>) -> io::Result<Option<T>> {
    match outcome {
        Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(None),
        outcome => outcome.map(Some),
    }
}
