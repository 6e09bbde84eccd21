//! A disk in memory, for one process.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::fs::{File, FileId, FileSystem, Locked, Metadata, OpenMode};

/// Bytes of the largest file: a position that was read from damaged bytes may be any number.
const LARGEST: usize = 1 << 20;

/// Files by name. A folder is there once it is asked for; every lock is free.
#[derive(Clone, Debug, Default)]
pub(super) struct Memory(Arc<Mutex<BTreeMap<PathBuf, Node>>>);

#[derive(Clone, Debug)]
struct Node {
    number: u64,
    bytes: Arc<Mutex<Vec<u8>>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn missing() -> io::Error {
    io::ErrorKind::NotFound.into()
}

impl Memory {
    /// Adds a file, or gives it other bytes.
    pub(super) fn put(&self, path: impl Into<PathBuf>, bytes: &[u8]) {
        *lock(&self.node(path.into()).bytes) = bytes.to_vec();
    }

    fn node(&self, path: PathBuf) -> Node {
        let mut files = lock(&self.0);
        let number = files.values().map(|node| node.number).max().unwrap_or(0) + 1;
        let bytes = Arc::default();
        let node = files.entry(path).or_insert(Node { number, bytes });
        node.clone()
    }

    /// All files' names.
    pub(super) fn files(&self) -> Vec<PathBuf> {
        lock(&self.0).keys().cloned().collect()
    }
}

impl FileSystem for Memory {
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Box<dyn File>> {
        let found = lock(&self.0).get(path).cloned();
        Ok(Box::new(match (found, mode) {
            (Some(node), _) => node,
            (None, OpenMode::Create) => self.node(path.to_owned()),
            (None, _) => return Err(missing()),
        }))
    }

    fn metadata(&self, path: &Path) -> io::Result<Metadata> {
        let found = lock(&self.0).get(path).cloned();
        found.ok_or_else(missing)?.metadata()
    }

    fn names(&self, path: &Path) -> io::Result<Vec<OsString>> {
        let files = lock(&self.0);
        let mut names: Vec<OsString> = files
            .keys()
            .filter_map(|file| file.strip_prefix(path).ok()?.components().next())
            .map(|name| name.as_os_str().to_owned())
            .collect();
        names.dedup();
        Ok(names)
    }

    fn create_dir(&self, _: &Path) -> io::Result<()> {
        Ok(())
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut files = lock(&self.0);
        let node = files.remove(from).ok_or_else(missing)?;
        files.insert(to.to_owned(), node);
        Ok(())
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        lock(&self.0).remove(path).map(drop).ok_or_else(missing)
    }

    fn remove_dir(&self, _: &Path) -> io::Result<()> {
        Ok(())
    }

    fn sync_dir(&self, _: &Path) -> io::Result<()> {
        Ok(())
    }
}

impl File for Node {
    fn read_at(&self, buf: &mut [u8], position: u64) -> io::Result<usize> {
        let bytes = lock(&self.bytes);
        let left = usize::try_from(position)
            .ok()
            .and_then(|at| bytes.get(at..));
        let left = left.unwrap_or_default();
        let read = left.len().min(buf.len());
        buf[..read].copy_from_slice(&left[..read]);
        Ok(read)
    }

    fn write_at(&self, new: &[u8], position: u64) -> io::Result<usize> {
        let mut bytes = lock(&self.bytes);
        let end = position.saturating_add(new.len() as u64);
        let (at, end) = match (usize::try_from(position), usize::try_from(end)) {
            (Ok(at), Ok(end)) if end <= LARGEST => (at, end),
            _ => return Err(io::ErrorKind::FileTooLarge.into()),
        };
        if bytes.len() < end {
            bytes.resize(end, 0);
        }
        bytes[at..end].copy_from_slice(new);
        Ok(new.len())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        match usize::try_from(len) {
            Ok(len) if len <= LARGEST => lock(&self.bytes).resize(len, 0),
            _ => return Err(io::ErrorKind::FileTooLarge.into()),
        }
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        Ok(())
    }

    fn metadata(&self) -> io::Result<Metadata> {
        let id = FileId {
            device: 0,
            number: self.number,
        };
        Ok(Metadata::new(id, lock(&self.bytes).len() as u64))
    }

    fn try_lock(&self) -> io::Result<Locked> {
        Ok(Locked::Taken)
    }

    fn unlock(&self) -> io::Result<()> {
        Ok(())
    }
}
