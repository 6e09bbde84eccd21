//! A disk whose syncs can be held up, or made to fail.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};

use bus_log_file::fs::{File, FileSystem, Locked, Metadata, OpenMode, OsFileSystem};

/// What becomes of a sync.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sync {
    Passes,
    Waits,
    Fails,
}

/// The gate that the syncs of one kind of file go through.
#[derive(Debug)]
pub(crate) struct Gate {
    kind: &'static str,
    state: Mutex<(Sync, usize)>,
    changed: Condvar,
    looks: AtomicUsize,
}

impl Gate {
    /// For files whose names end in `kind`.
    pub(crate) fn new(kind: &'static str) -> Arc<Self> {
        Arc::new(Self {
            kind,
            state: Mutex::new((Sync::Passes, 0)),
            changed: Condvar::new(),
            looks: AtomicUsize::new(0),
        })
    }

    pub(crate) fn disk(self: &Arc<Self>) -> Arc<dyn FileSystem> {
        Arc::new(GatedDisk(Arc::clone(self)))
    }

    pub(crate) fn set(&self, sync: Sync) {
        self.state.lock().unwrap().0 = sync;
        self.changed.notify_all();
    }

    /// Syncs that wait now.
    pub(crate) fn waiting(&self) -> usize {
        self.state.lock().unwrap().1
    }

    /// How often open files of other kinds were looked at.
    pub(crate) fn looks(&self) -> usize {
        self.looks.load(Ordering::SeqCst)
    }

    fn is_for(&self, path: &Path) -> bool {
        path.extension().is_some_and(|found| found == self.kind)
    }

    fn pass(&self, path: &Path) -> io::Result<()> {
        if !self.is_for(path) {
            return Ok(());
        }
        let mut state = self.state.lock().unwrap();
        state.1 += 1;
        while state.0 == Sync::Waits {
            state = self.changed.wait(state).unwrap();
        }
        state.1 -= 1;
        match state.0 {
            Sync::Fails => Err(io::Error::other("on purpose")),
            _ => Ok(()),
        }
    }
}

#[derive(Debug)]
struct GatedDisk(Arc<Gate>);

impl FileSystem for GatedDisk {
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Box<dyn File>> {
        let (gate, path) = (Arc::clone(&self.0), path.to_owned());
        let file = OsFileSystem.open(&path, mode)?;
        Ok(Box::new(GatedFile { gate, path, file }))
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
struct GatedFile {
    gate: Arc<Gate>,
    path: PathBuf,
    file: Box<dyn File>,
}

impl File for GatedFile {
    fn read_at(&self, buf: &mut [u8], position: u64) -> io::Result<usize> {
        self.file.read_at(buf, position)
    }

    fn write_at(&self, bytes: &[u8], position: u64) -> io::Result<usize> {
        self.file.write_at(bytes, position)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.file.set_len(len)
    }

    fn sync(&self) -> io::Result<()> {
        self.gate.pass(&self.path)?;
        self.file.sync()
    }

    fn metadata(&self) -> io::Result<Metadata> {
        if !self.gate.is_for(&self.path) {
            self.gate.looks.fetch_add(1, Ordering::SeqCst);
        }
        self.file.metadata()
    }

    fn try_lock(&self) -> io::Result<Locked> {
        self.file.try_lock()
    }

    fn unlock(&self) -> io::Result<()> {
        self.file.unlock()
    }
}
