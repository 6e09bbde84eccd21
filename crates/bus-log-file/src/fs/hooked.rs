//! A disk on which a test may stop, note, refuse or change what is about to be done.
//!
//! The unit tests have it as a module of this crate, the integration tests as one of theirs: it knows nothing but
//! the file system's own traits.

use std::ffi::OsString;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use super::{File, FileSystem, Locked, Metadata, OpenMode, OsFileSystem};

/// What is about to be done to a file or folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    Open,
    Read,
    Write,
    SetLen,
    Sync,
    /// Of an open file; what a name stands for is not asked here.
    Metadata,
    List,
    /// With the new name.
    Rename,
    SyncDir,
    RemoveDir,
    Lock,
}

type Hook = dyn Fn(Asked, &Path) -> io::Result<()> + Send + Sync;

/// The system's disk, but for what the hook says. Clones share the hook.
#[derive(Clone)]
pub(crate) struct HookedFs(Arc<Mutex<Arc<Hook>>>);

impl fmt::Debug for HookedFs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HookedFs")
    }
}

impl HookedFs {
    /// One that does all it is asked.
    pub(crate) fn new() -> Self {
        Self(Arc::new(Mutex::new(Arc::new(|_, _| Ok(())))))
    }

    pub(crate) fn disk(&self) -> Arc<dyn FileSystem> {
        Arc::new(self.clone())
    }

    /// Has `hook` called before all that is asked from now on. It may block, which stops nobody else, and may fail or
    /// panic in the disk's place.
    pub(crate) fn set(
        &self,
        hook: impl Fn(Asked, &Path) -> io::Result<()> + Send + Sync + 'static,
    ) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(hook);
    }

    fn ask(&self, asked: Asked, path: &Path) -> io::Result<()> {
        // Called under no lock: one that blocks waits for what another one does.
        let hook = Arc::clone(&self.0.lock().unwrap_or_else(PoisonError::into_inner));
        hook(asked, path)
    }
}

impl FileSystem for HookedFs {
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Box<dyn File>> {
        self.ask(Asked::Open, path)?;
        Ok(Box::new(HookedFile {
            disk: self.clone(),
            path: path.to_owned(),
            file: OsFileSystem.open(path, mode)?,
        }))
    }

    fn metadata(&self, path: &Path) -> io::Result<Metadata> {
        OsFileSystem.metadata(path)
    }

    fn names(&self, path: &Path) -> io::Result<Vec<OsString>> {
        self.ask(Asked::List, path)?;
        OsFileSystem.names(path)
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        OsFileSystem.create_dir(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.ask(Asked::Rename, to)?;
        OsFileSystem.rename(from, to)
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        OsFileSystem.remove_file(path)
    }

    fn remove_dir(&self, path: &Path) -> io::Result<()> {
        self.ask(Asked::RemoveDir, path)?;
        OsFileSystem.remove_dir(path)
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        self.ask(Asked::SyncDir, path)?;
        OsFileSystem.sync_dir(path)
    }
}

#[derive(Debug)]
struct HookedFile {
    disk: HookedFs,
    path: PathBuf,
    file: Box<dyn File>,
}

impl File for HookedFile {
    fn read_at(&self, buf: &mut [u8], position: u64) -> io::Result<usize> {
        self.disk.ask(Asked::Read, &self.path)?;
        self.file.read_at(buf, position)
    }

    fn write_at(&self, bytes: &[u8], position: u64) -> io::Result<usize> {
        self.disk.ask(Asked::Write, &self.path)?;
        self.file.write_at(bytes, position)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.disk.ask(Asked::SetLen, &self.path)?;
        self.file.set_len(len)
    }

    fn sync(&self) -> io::Result<()> {
        self.disk.ask(Asked::Sync, &self.path)?;
        self.file.sync()
    }

    fn metadata(&self) -> io::Result<Metadata> {
        self.disk.ask(Asked::Metadata, &self.path)?;
        self.file.metadata()
    }

    fn try_lock(&self) -> io::Result<Locked> {
        self.disk.ask(Asked::Lock, &self.path)?;
        self.file.try_lock()
    }

    fn unlock(&self) -> io::Result<()> {
        self.file.unlock()
    }
}
