//! A disk on which a test meddles with what is about to be done to a file.

use std::ffi::OsString;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use bus_log_file::fs::{File, FileSystem, Locked, Metadata, OpenMode, OsFileSystem};

/// What a file is about to be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    Write,
    Sync,
    Look,
}

type Hook = dyn FnMut(Asked, &Path) -> io::Result<()> + Send;

/// The system's disk, but for what the hook says.
#[derive(Clone)]
pub(crate) struct Hooks(Arc<Mutex<Box<Hook>>>);

impl fmt::Debug for Hooks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Hooks")
    }
}

impl Hooks {
    pub(crate) fn new() -> Self {
        Self(Arc::new(Mutex::new(Box::new(|_, _| Ok(())))))
    }

    pub(crate) fn disk(&self) -> Arc<dyn FileSystem> {
        Arc::new(self.clone())
    }

    pub(crate) fn set(&self, hook: impl FnMut(Asked, &Path) -> io::Result<()> + Send + 'static) {
        *self.0.lock().unwrap() = Box::new(hook);
    }

    pub(crate) fn clear(&self) {
        self.set(|_, _| Ok(()));
    }

    fn ask(&self, asked: Asked, path: &Path) -> io::Result<()> {
        let mut hook = self
            .0
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        hook(asked, path)
    }
}

/// Whether it is a file of this kind.
pub(crate) fn is_kind(path: &Path, kind: &str) -> bool {
    path.extension().is_some_and(|found| found == kind)
}

impl FileSystem for Hooks {
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Box<dyn File>> {
        let (hooks, path) = (self.clone(), path.to_owned());
        let file = OsFileSystem.open(&path, mode)?;
        Ok(Box::new(HookedFile { hooks, path, file }))
    }

    fn metadata(&self, path: &Path) -> io::Result<Metadata> {
        OsFileSystem.metadata(path)
    }

    fn names(&self, path: &Path) -> io::Result<Vec<OsString>> {
        OsFileSystem.names(path)
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        OsFileSystem.create_dir(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        OsFileSystem.rename(from, to)
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        OsFileSystem.remove_file(path)
    }

    fn remove_dir(&self, path: &Path) -> io::Result<()> {
        OsFileSystem.remove_dir(path)
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        OsFileSystem.sync_dir(path)
    }
}

#[derive(Debug)]
struct HookedFile {
    hooks: Hooks,
    path: PathBuf,
    file: Box<dyn File>,
}

impl File for HookedFile {
    fn read_at(&self, buf: &mut [u8], position: u64) -> io::Result<usize> {
        self.file.read_at(buf, position)
    }

    fn write_at(&self, bytes: &[u8], position: u64) -> io::Result<usize> {
        self.hooks.ask(Asked::Write, &self.path)?;
        self.file.write_at(bytes, position)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.file.set_len(len)
    }

    fn sync(&self) -> io::Result<()> {
        self.hooks.ask(Asked::Sync, &self.path)?;
        self.file.sync()
    }

    fn metadata(&self) -> io::Result<Metadata> {
        self.hooks.ask(Asked::Look, &self.path)?;
        self.file.metadata()
    }

    fn try_lock(&self) -> io::Result<Locked> {
        self.file.try_lock()
    }

    fn unlock(&self) -> io::Result<()> {
        self.file.unlock()
    }
}
