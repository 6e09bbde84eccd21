//! A small disk for a part of a server's data, which can be filled without harm to anything else.

use std::ffi::CString;
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};

use super::Scratch;
use crate::account::Account;
use crate::process::told;
use crate::server::Kind;

/// What takes up the room while the disk is full.
const BALLAST: &str = "ballast";

/// Where it is mounted, in a server's folder.
const NAME: &str = "small-disk";

/// A part of a server's data that can be on a disk of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// All of them.
    Data,
    /// PostgreSQL's tables and indexes.
    Tables,
    /// PostgreSQL's write-ahead log.
    WriteAheadLog,
}

impl Part {
    /// In the server's folder.
    const fn folder(self) -> &'static str {
        match self {
            Self::Data => "data",
            Self::Tables => "data/base",
            Self::WriteAheadLog => "data/pg_wal",
        }
    }
}

/// A file system in memory, of a size of its own. It goes with the value.
#[derive(Debug)]
pub(super) struct SmallDisk(PathBuf);

/// Whether this process may mount a file system, which [`Scratch::put_on_a_small_disk`] does: root may,
/// outside of most containers.
#[must_use]
pub fn may_mount() -> bool {
    let folder = std::env::temp_dir().join(format!("local-servers-mount-{}", std::process::id()));
    let disk = fs::create_dir_all(&folder).and_then(|()| SmallDisk::mount(folder.clone(), 1 << 20));
    let may = disk.is_ok();
    drop(disk);
    // Another may be at it too; an empty folder in the system's place for those is no harm.
    let _ = fs::remove_dir(&folder);
    may
}

impl SmallDisk {
    fn mount(folder: PathBuf, bytes: u64) -> io::Result<Self> {
        let size = CString::new(format!("size={bytes}"))?;
        let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
        mount("none", &folder, "tmpfs", flags, size.as_c_str())?;
        Ok(Self(folder))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Whatever is still open on it keeps it, out of everybody's sight.
        let _ = unmount(&self.0, UnmountFlags::DETACH);
    }
}

/// Takes away what the test of a killed process has mounted in the folder.
pub(super) fn clear(folder: &Path) {
    let disk = folder.join(NAME);
    if disk.exists() {
        // Most often nothing is mounted there any more.
        let _ = unmount(&disk, UnmountFlags::DETACH);
    }
}

impl<S: Kind> Scratch<S> {
    /// Moves a part of the data to a new disk of so many bytes. The server is stopped for it, and started.
    ///
    /// # Errors
    ///
    /// `PermissionDenied` where this process may not mount: see [`may_mount`]. If there is such a disk already,
    /// or the part has no room on it; as [`Server::start`](crate::Server::start).
    pub fn put_on_a_small_disk(&mut self, part: Part, bytes: u64) -> io::Result<()> {
        if self.disk.is_some() {
            return Err(io::Error::other("it has a small disk already"));
        }
        self.server.stop()?;
        let place = self.folder.join(NAME);
        fs::create_dir_all(&place)?;
        let disk = SmallDisk::mount(place, bytes)?;
        let account = Account::for_server(S::USER)?;
        Account::give(account, &disk.0)?;
        move_to(&self.folder.join(part.folder()), &disk.0, account)?;
        self.disk = Some(disk);
        self.server.start()
    }

    /// Takes up all the room that is left on the small disk.
    ///
    /// # Errors
    ///
    /// If there is none, or it fails in another way than by being full.
    pub fn fill_disk(&self) -> io::Result<()> {
        let mut ballast = File::options();
        let mut ballast = ballast.create(true).append(true).open(self.ballast()?)?;
        let zeros = vec![0; 1 << 16];
        loop {
            match ballast.write(&zeros) {
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::StorageFull => return Ok(()),
                Err(error) => return Err(error),
            }
        }
    }

    /// Gives back what [`fill_disk`](Self::fill_disk) took.
    ///
    /// # Errors
    ///
    /// If there is no small disk, or it was not filled.
    pub fn make_room(&self) -> io::Result<()> {
        fs::remove_file(self.ballast()?)
    }

    fn ballast(&self) -> io::Result<PathBuf> {
        let disk = self.disk.as_ref();
        let disk = disk.ok_or_else(|| io::Error::other("it has no small disk"))?;
        Ok(disk.0.join(BALLAST))
    }
}

/// Moves a folder there, and leaves a link in its place.
fn move_to(from: &Path, disk: &Path, account: Option<Account>) -> io::Result<()> {
    let to = disk.join(from.file_name().unwrap_or_default());
    let mut copy = Command::new("cp");
    copy.arg("-a").arg(from).arg(&to).stdin(Stdio::null());
    told(copy.output()?, "cp")?;
    fs::remove_dir_all(from)?;
    symlink(&to, from)?;
    Account::give(account, from)
}
