use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use super::*;

/// A disk that reads and writes at most three bytes at once, is interrupted every other time, and
/// notes which folders are made and synced.
#[derive(Debug, Default)]
struct Slow {
    calls: Arc<AtomicUsize>,
    /// Writes nothing at all.
    stuck: bool,
    folders: Arc<Mutex<Vec<(&'static str, PathBuf)>>>,
}

#[derive(Debug)]
struct SlowFile {
    file: Box<dyn File>,
    calls: Arc<AtomicUsize>,
    stuck: bool,
}

impl SlowFile {
    fn interrupted(&self) -> io::Result<()> {
        match self.calls.fetch_add(1, Ordering::Relaxed) % 2 {
            0 => Err(io::ErrorKind::Interrupted.into()),
            _ => Ok(()),
        }
    }
}

impl FileSystem for Slow {
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Box<dyn File>> {
        Ok(Box::new(SlowFile {
            file: OsFileSystem.open(path, mode)?,
            calls: Arc::clone(&self.calls),
            stuck: self.stuck,
        }))
    }
    fn metadata(&self, path: &Path) -> io::Result<Metadata> {
        OsFileSystem.metadata(path)
    }
    fn names(&self, path: &Path) -> io::Result<Vec<OsString>> {
        OsFileSystem.names(path)
    }
    fn create_dir(&self, path: &Path) -> io::Result<()> {
        self.folders.lock().unwrap().push(("make", path.to_owned()));
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
        self.folders.lock().unwrap().push(("sync", path.to_owned()));
        OsFileSystem.sync_dir(path)
    }
}

impl File for SlowFile {
    fn read_at(&self, buf: &mut [u8], position: u64) -> io::Result<usize> {
        self.interrupted()?;
        let few = buf.len().min(3);
        self.file.read_at(&mut buf[..few], position)
    }
    fn write_at(&self, bytes: &[u8], position: u64) -> io::Result<usize> {
        self.interrupted()?;
        let few = if self.stuck { 0 } else { bytes.len().min(3) };
        self.file.write_at(&bytes[..few], position)
    }
    fn set_len(&self, len: u64) -> io::Result<()> {
        self.file.set_len(len)
    }
    fn sync(&self) -> io::Result<()> {
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

#[test]
fn short_and_interrupted_reads_and_writes_go_on_to_the_end() {
    let dir = tempfile::tempdir().unwrap();
    let disk = Disk::new(Arc::new(Slow::default()));
    let file = disk.create(&dir.path().join("file")).unwrap().unwrap();
    file.write_at(b"0123456789", 2).unwrap();
    assert_eq!(file.range(0, 100).unwrap(), b"\0\x000123456789");
    assert_eq!(file.range(4, 9).unwrap(), b"23456");
}

#[test]
fn a_disk_that_writes_nothing_is_an_error_and_no_endless_loop() {
    let dir = tempfile::tempdir().unwrap();
    let disk = Disk::new(Arc::new(Slow {
        stuck: true,
        ..Slow::default()
    }));
    let file = disk.create(&dir.path().join("file")).unwrap().unwrap();
    let error = file.write_at(b"0123456789", 0).unwrap_err();
    assert!(error.to_string().starts_with("can't write "), "{error}");
}

#[test]
fn the_folders_above_a_new_one_are_durable() {
    let dir = tempfile::tempdir().unwrap();
    let slow = Slow::default();
    let done = Arc::clone(&slow.folders);
    let disk = Disk::new(Arc::new(slow));
    let path = |name: &str| dir.path().join(name);
    assert!(disk.create_dir(&path("a/b/c")).unwrap());
    assert!(!disk.create_dir(&path("a/b/c")).unwrap());
    let done = done.lock().unwrap();
    let expected = [
        ("make", path("a")),
        ("sync", dir.path().to_owned()),
        ("make", path("a/b")),
        ("sync", path("a")),
        ("make", path("a/b/c")),
    ];
    assert_eq!(*done, expected);
}

#[test]
fn a_name_in_the_working_directory_has_a_folder_too() {
    assert_eq!(parent(Path::new("log")), Some(Path::new(".")));
    assert_eq!(parent(Path::new("a/log")), Some(Path::new("a")));
    assert_eq!(parent(Path::new("/")), None);
}

#[test]
fn a_lock_is_that_of_one_open_file_and_goes_with_it() {
    let dir = tempfile::tempdir().unwrap();
    let open = || {
        let file = OsFileSystem.open(&dir.path().join("lock"), OpenMode::Create);
        file.unwrap()
    };
    let (one, two) = (open(), open());
    assert_eq!(one.try_lock().unwrap(), Locked::Taken);
    assert_eq!(two.try_lock().unwrap(), Locked::Held);
    drop(one);
    assert_eq!(two.try_lock().unwrap(), Locked::Taken);
}

#[test]
fn a_replaced_or_cut_file_is_not_current() {
    let dir = tempfile::tempdir().unwrap();
    let disk = Disk::default();
    let (path, other) = (dir.path().join("file"), dir.path().join("other"));
    let file = disk.create(&path).unwrap().unwrap();
    file.write_at(b"123", 0).unwrap();
    assert!(file.is_current_with(3).unwrap());
    assert!(!file.is_current_with(4).unwrap());
    disk.create(&other).unwrap().unwrap();
    disk.rename(&other, &path).unwrap();
    assert!(!file.is_current().unwrap());
    disk.remove(&path).unwrap();
    assert!(!file.is_current().unwrap());
}
