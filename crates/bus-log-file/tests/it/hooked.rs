//! A disk on which a test may stop, note or change what the log asks for.

use std::ffi::OsString;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use bus_log_file::fs::{File, FileSystem, Locked, Metadata, OpenMode, OsFileSystem};

/// What is asked of an open file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    Read,
    Write,
    Cut,
    Sync,
}

type Hook = Box<dyn FnMut(Asked, &Path) -> io::Result<()> + Send>;

/// The disk. Its hook is called before each of what is [`Asked`].
#[derive(Clone)]
pub(crate) struct Hooked(Arc<Mutex<Hook>>);

impl fmt::Debug for Hooked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Hooked")
    }
}

impl Hooked {
    pub(crate) fn new() -> Self {
        Self(Arc::new(Mutex::new(Box::new(|_, _| Ok(())))))
    }

    pub(crate) fn set(&self, hook: impl FnMut(Asked, &Path) -> io::Result<()> + Send + 'static) {
        *self.0.lock().unwrap() = Box::new(hook);
    }

    fn hit(&self, asked: Asked, path: &Path) -> io::Result<()> {
        (self.0.lock().unwrap())(asked, path)
    }
}

/// Whether a path's name ends in `kind`.
pub(crate) fn is(path: &Path, kind: &str) -> bool {
    path.extension().is_some_and(|found| found == kind)
}

impl FileSystem for Hooked {
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Box<dyn File>> {
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
    disk: Hooked,
    path: PathBuf,
    file: Box<dyn File>,
}

impl File for HookedFile {
    fn read_at(&self, buf: &mut [u8], position: u64) -> io::Result<usize> {
        self.disk.hit(Asked::Read, &self.path)?;
        self.file.read_at(buf, position)
    }

    fn write_at(&self, bytes: &[u8], position: u64) -> io::Result<usize> {
        self.disk.hit(Asked::Write, &self.path)?;
        self.file.write_at(bytes, position)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.disk.hit(Asked::Cut, &self.path)?;
        self.file.set_len(len)
    }

    fn sync(&self) -> io::Result<()> {
        self.disk.hit(Asked::Sync, &self.path)?;
        self.file.sync()
    }

    fn metadata(&self) -> io::Result<Metadata> {
        self.file.metadata()
    }

    fn try_lock(&self) -> io::Result<Locked> {
        self.file.try_lock()
    }

    fn unlock(&self) -> io::Result<()> {
        self.file.unlock()
    }
}
