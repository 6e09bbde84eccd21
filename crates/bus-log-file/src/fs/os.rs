//! The operating system's own file system.

use std::ffi::OsString;
use std::fs::{self, DirBuilder, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::Path;

use super::{File, FileId, FileSystem, Locked, Metadata, OpenMode};

/// The operating system's own file system: what a log lives on as a rule.
#[derive(Clone, Copy, Debug, Default)]
pub struct OsFileSystem;

impl FileSystem for OsFileSystem {
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Box<dyn File>> {
        let mut options = OpenOptions::new();
        options.read(true);
        match mode {
            OpenMode::Read => &mut options,
            OpenMode::Write => options.write(true),
            OpenMode::Create => options.write(true).create(true).truncate(false).mode(0o600),
        };
        Ok(Box::new(OsFile(options.open(path)?)))
    }

    fn metadata(&self, path: &Path) -> io::Result<Metadata> {
        stat::of_path(path)
    }

    fn names(&self, path: &Path) -> io::Result<Vec<OsString>> {
        fs::read_dir(path)?
            .map(|entry| entry.map(|entry| entry.file_name()))
            .collect()
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        DirBuilder::new().mode(0o700).create(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn remove_dir(&self, path: &Path) -> io::Result<()> {
        fs::remove_dir(path)
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        fs::File::open(path)?.sync_all()
    }
}

#[derive(Debug)]
struct OsFile(fs::File);

impl File for OsFile {
    fn read_at(&self, buf: &mut [u8], position: u64) -> io::Result<usize> {
        self.0.read_at(buf, position)
    }

    fn write_at(&self, bytes: &[u8], position: u64) -> io::Result<usize> {
        self.0.write_at(bytes, position)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.0.set_len(len)
    }

    fn sync(&self) -> io::Result<()> {
        self.0.sync_data()
    }

    fn metadata(&self) -> io::Result<Metadata> {
        stat::of_file(&self.0)
    }

    fn try_lock(&self) -> io::Result<Locked> {
        match self.0.try_lock() {
            Ok(()) => Ok(Locked::Taken),
            Err(TryLockError::WouldBlock) => Ok(Locked::Held),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    fn unlock(&self) -> io::Result<()> {
        self.0.unlock()
    }
}

/// Which file it is and how long, asked for without its times. On Linux, whoever asks for a file's times
/// makes its next write record a new one, and the next `fdatasync` commit that: half as slow again
/// (multigrain timestamps, Linux 6.13).
#[cfg(target_os = "linux")]
mod stat {
    use std::fs::File;
    use std::io;
    use std::os::fd::AsFd;
    use std::path::Path;
    use std::time::{Duration, SystemTime, UNIX_EPOCH};

    use rustix::fs::{AtFlags, CWD, FileType, Statx, StatxFlags, makedev, statx};

    use super::{FileId, Metadata};

    pub(super) fn of_path(path: &Path) -> io::Result<Metadata> {
        ask(CWD, path, AtFlags::empty())
    }

    pub(super) fn of_file(file: &File) -> io::Result<Metadata> {
        ask(file, Path::new(""), AtFlags::EMPTY_PATH)
    }

    fn ask(dir: impl AsFd, path: &Path, flags: AtFlags) -> io::Result<Metadata> {
        let wanted = StatxFlags::TYPE
            | StatxFlags::INO
            | StatxFlags::SIZE
            | StatxFlags::NLINK
            | StatxFlags::BLOCKS;
        let found = statx(&dir, path, flags, wanted)?;
        let id = FileId {
            device: makedev(found.stx_dev_major, found.stx_dev_minor),
            number: found.stx_ino,
        };
        let known = Metadata::new(id, found.stx_size)
            .with_links(u64::from(found.stx_nlink))
            .with_allocated(found.stx_blocks.saturating_mul(512));
        if !FileType::from_raw_mode(found.stx_mode.into()).is_dir() {
            return Ok(known);
        }
        let found = statx(&dir, path, flags, StatxFlags::MTIME)?;
        Ok(known.with_modified(modified(&found)))
    }

    fn modified(found: &Statx) -> Option<SystemTime> {
        let seconds = u64::try_from(found.stx_mtime.tv_sec).ok()?;
        UNIX_EPOCH.checked_add(Duration::new(seconds, found.stx_mtime.tv_nsec))
    }
}

#[cfg(not(target_os = "linux"))]
mod stat {
    use std::fs::{self, File};
    use std::io;
    use std::os::unix::fs::MetadataExt;
    use std::path::Path;

    use super::{FileId, Metadata};

    pub(super) fn of_path(path: &Path) -> io::Result<Metadata> {
        fs::metadata(path).map(|found| known(&found))
    }

    pub(super) fn of_file(file: &File) -> io::Result<Metadata> {
        file.metadata().map(|found| known(&found))
    }

    fn known(found: &fs::Metadata) -> Metadata {
        let id = FileId {
            device: found.dev(),
            number: found.ino(),
        };
        Metadata::new(id, found.len()).with_links(found.nlink())
    }
}
