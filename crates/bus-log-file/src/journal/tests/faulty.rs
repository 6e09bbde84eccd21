//! A disk that refuses, and that knows what a power cut could leave of it.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};

use crate::fs::{Disk, File, FileId, FileSystem, Locked, Metadata, OpenMode, OsFileSystem};

/// What is asked of the disk, and what it has for good.
#[derive(Clone, Debug, Default)]
pub(super) struct Faulty(Arc<Mutex<State>>);

#[derive(Debug, Default)]
pub(super) struct State {
    /// Segment files refuse to be synced.
    pub(super) no_sync: bool,
    /// Segment files of this number and higher ones refuse to be written.
    pub(super) no_write_from: Option<u64>,
    /// Bytes of each file as they were last synced.
    synced: BTreeMap<FileId, Vec<u8>>,
    /// What the names of segment files stood for when their folder was synced, and after each change
    /// since.
    names: Vec<BTreeMap<PathBuf, FileId>>,
}

impl Faulty {
    pub(super) fn disk(&self) -> Disk {
        Disk::new(Arc::new(self.clone()))
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    /// Whether a power cut may bring back a segment file that was removed, or lose one that is there.
    pub(super) fn names_are_settled(&self) -> bool {
        let state = self.state();
        state.names.windows(2).all(|pair| pair[0] == pair[1])
    }

    /// Changes names in a folder, or syncs it, and notes what they stand for then. The journal has a thread of its own: what one
    /// notes must not be older than what the other did before.
    fn change<T>(
        &self,
        dir: &Path,
        synced: bool,
        change: impl FnOnce() -> io::Result<T>,
    ) -> io::Result<T> {
        let mut state = self.state();
        let done = change()?;
        let mut now = BTreeMap::new();
        for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
            if number(&entry.path()).is_some()
                && let Ok(found) = OsFileSystem.metadata(&entry.path())
            {
                now.insert(PathBuf::from(entry.file_name()), found.id);
            }
        }
        if synced {
            state.names.clear();
        }
        state.names.push(now);
        Ok(done)
    }

    /// Writes to `to` what a power cut leaves of the segments in `dir`: of every sector that changed since
    /// the last sync the old or the new bytes, as `keep` says; the names as they were at some time
    /// since the folder was synced.
    pub(super) fn power_cut(&self, dir: &Path, to: &Path, mut keep: impl FnMut() -> u8) {
        let state = self.state();
        let current: BTreeMap<FileId, PathBuf> = fs::read_dir(dir)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| number(path).is_some())
            // The journal's own thread may be removing one.
            .filter_map(|path| Some((OsFileSystem.metadata(&path).ok()?.id, path)))
            .collect();
        let Some(names) = state
            .names
            .get(usize::from(keep()) % state.names.len().max(1))
        else {
            return;
        };
        for (name, id) in names {
            let old = state.synced.get(id).cloned().unwrap_or_default();
            let new = match current.get(id) {
                Some(path) => fs::read(path).unwrap_or_else(|_| old.clone()),
                // It was removed since.
                None => old.clone(),
            };
            let len = if keep().is_multiple_of(2) {
                old.len()
            } else {
                new.len()
            };
            let mut left = vec![0; len.max(old.len().min(new.len()))];
            for (n, sector) in left.chunks_mut(512).enumerate() {
                let from = if keep().is_multiple_of(2) { &old } else { &new };
                let at = (n * 512).min(from.len());
                let end = (at + sector.len()).min(from.len());
                sector[..end - at].copy_from_slice(&from[at..end]);
            }
            fs::write(to.join(name), left).unwrap();
        }
    }
}

fn number(path: &Path) -> Option<u64> {
    path.file_name()?
        .to_str()?
        .strip_suffix(".wal")?
        .parse()
        .ok()
}

fn refused() -> io::Error {
    io::ErrorKind::StorageFull.into()
}

impl FileSystem for Faulty {
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Box<dyn File>> {
        let open = || OsFileSystem.open(path, mode);
        let Some(number) = number(path) else {
            return open();
        };
        Ok(Box::new(FaultyFile {
            file: self.change(path.parent().unwrap(), false, open)?,
            number,
            faulty: self.clone(),
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
        let rename = || OsFileSystem.rename(from, to);
        self.change(to.parent().unwrap(), false, rename)
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        let remove = || OsFileSystem.remove_file(path);
        self.change(path.parent().unwrap(), false, remove)
    }

    fn remove_dir(&self, path: &Path) -> io::Result<()> {
        OsFileSystem.remove_dir(path)
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        self.change(path, true, || OsFileSystem.sync_dir(path))
    }
}

#[derive(Debug)]
struct FaultyFile {
    file: Box<dyn File>,
    number: u64,
    faulty: Faulty,
}

impl File for FaultyFile {
    fn read_at(&self, buf: &mut [u8], position: u64) -> io::Result<usize> {
        self.file.read_at(buf, position)
    }

    fn write_at(&self, bytes: &[u8], position: u64) -> io::Result<usize> {
        let from = self.faulty.state().no_write_from;
        if from.is_some_and(|from| self.number >= from) {
            // A part of it is there all the same.
            self.file.write_at(&bytes[..bytes.len() / 2], position)?;
            return Err(refused());
        }
        self.file.write_at(bytes, position)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.file.set_len(len)
    }

    fn sync(&self) -> io::Result<()> {
        if self.faulty.state().no_sync {
            return Err(refused());
        }
        self.file.sync()?;
        let found = self.file.metadata()?;
        let mut bytes = vec![0; usize::try_from(found.len).unwrap()];
        let read = self.file.read_at(&mut bytes, 0)?;
        bytes.truncate(read);
        self.faulty.state().synced.insert(found.id, bytes);
        Ok(())
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
