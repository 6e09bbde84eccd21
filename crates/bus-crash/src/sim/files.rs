//! What one process sees of a simulated disk: the seam of `bus-log-file`.

use std::ffi::OsString;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bus_log_file::fs::{File, FileId, FileSystem, Locked, Metadata, OpenMode};

use super::disk::{Change, Disk, NodeId, to_usize};
use super::world::{Handle, World};

/// What one process sees of a simulated disk. Paths are absolute; there are no links.
#[derive(Clone)]
pub struct SimFs {
    world: Arc<World>,
    process: usize,
}

impl SimFs {
    pub(super) const fn new(world: Arc<World>, process: usize) -> Self {
        Self { world, process }
    }

    /// Which process of its world this is.
    #[must_use]
    pub const fn number(&self) -> usize {
        self.process
    }
}

impl fmt::Debug for SimFs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SimFs(process {})", self.process)
    }
}

impl FileSystem for SimFs {
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Box<dyn File>> {
        let create = mode == OpenMode::Create;
        let (node, handle) = self.world.open(self.process, path, create)?;
        Ok(Box::new(SimFile {
            world: Arc::clone(&self.world),
            path: path.to_owned(),
            node,
            handle,
            writable: mode != OpenMode::Read,
        }))
    }

    fn metadata(&self, path: &Path) -> io::Result<Metadata> {
        self.world.look(self.process, |disk| {
            let node = disk.find(path)?;
            Ok(metadata(disk, node))
        })
    }

    fn names(&self, path: &Path) -> io::Result<Vec<OsString>> {
        self.world.look(self.process, |disk| {
            let dir = disk.dir(disk.find(path)?);
            let dir = dir.ok_or(io::ErrorKind::NotADirectory)?;
            Ok(dir.cache.keys().cloned().collect())
        })
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        self.world.change(self.process, |disk| {
            if disk.find(path).is_ok() {
                return Err(io::ErrorKind::AlreadyExists.into());
            }
            let (dir, name) = disk.place(path)?;
            Ok(Change::Make {
                dir,
                name,
                node: disk.next_node(),
                folder: true,
            })
        })
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.world.change(self.process, |disk| {
            disk.find(from)?;
            let ((dir, from), (to_dir, to)) = (disk.place(from)?, disk.place(to)?);
            if dir != to_dir {
                return Err(io::ErrorKind::CrossesDevices.into());
            }
            Ok(Change::Rename { dir, from, to })
        })
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        self.world.change(self.process, |disk| {
            if disk.file(disk.find(path)?).is_none() {
                return Err(io::ErrorKind::IsADirectory.into());
            }
            let (dir, name) = disk.place(path)?;
            Ok(Change::Unlink { dir, name })
        })
    }

    fn remove_dir(&self, path: &Path) -> io::Result<()> {
        self.world.change(self.process, |disk| {
            let found = disk.dir(disk.find(path)?);
            let found = found.ok_or(io::ErrorKind::NotADirectory)?;
            if !found.cache.is_empty() {
                return Err(io::ErrorKind::DirectoryNotEmpty.into());
            }
            let (dir, name) = disk.place(path)?;
            Ok(Change::Unlink { dir, name })
        })
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        self.world.change(self.process, |disk| {
            let dir = disk.find(path)?;
            if disk.dir(dir).is_none() {
                return Err(io::ErrorKind::NotADirectory.into());
            }
            Ok(Change::SyncDir { dir })
        })
    }
}

/// An open file of one process.
struct SimFile {
    world: Arc<World>,
    /// The path it was opened by.
    path: PathBuf,
    node: NodeId,
    handle: Handle,
    writable: bool,
}

impl SimFile {
    fn change(&self, change: Change) -> io::Result<()> {
        self.may_write()?;
        self.world.change(self.handle.process, |_| Ok(change))
    }

    fn may_write(&self) -> io::Result<()> {
        if self.writable {
            Ok(())
        } else {
            Err(io::ErrorKind::PermissionDenied.into())
        }
    }
}

impl fmt::Debug for SimFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "SimFile(process {}, node {})",
            self.handle.process, self.node
        )
    }
}

impl File for SimFile {
    fn read_at(&self, buf: &mut [u8], position: u64) -> io::Result<usize> {
        self.world.look(self.handle.process, |disk| {
            let bytes = disk.file(self.node).map_or(&[][..], |file| &file.cache);
            let rest = bytes.get(to_usize(position)..).unwrap_or_default();
            let read = rest.len().min(buf.len());
            buf[..read].copy_from_slice(&rest[..read]);
            Ok(read)
        })
    }

    fn write_at(&self, bytes: &[u8], position: u64) -> io::Result<usize> {
        self.may_write()?;
        if bytes.is_empty() {
            return Ok(0);
        }
        self.world.obstacles.before_write(&self.path)?;
        self.world
            .write(self.handle.process, self.node, position, bytes)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let file = self.node;
        self.change(Change::SetLen { file, len })
    }

    fn sync(&self) -> io::Result<()> {
        let file = self.node;
        let process = self.handle.process;
        let obstacles = &self.world.obstacles;
        if !obstacles.before_sync(&self.path) {
            return self.world.change(process, |_| Ok(Change::Sync { file }));
        }
        let seed = None;
        let lost = Change::FailedSync { file, seed };
        self.world.change(process, |_| Ok(lost))?;
        Err(obstacles.after_loss())
    }

    fn metadata(&self) -> io::Result<Metadata> {
        self.world
            .look(self.handle.process, |disk| Ok(metadata(disk, self.node)))
    }

    fn try_lock(&self) -> io::Result<Locked> {
        let taken = self.world.lock(self.node, self.handle)?;
        Ok(if taken { Locked::Taken } else { Locked::Held })
    }

    fn unlock(&self) -> io::Result<()> {
        self.world.unlock(self.node, self.handle);
        Ok(())
    }
}

impl Drop for SimFile {
    fn drop(&mut self) {
        self.world.unlock(self.node, self.handle);
    }
}

fn metadata(disk: &Disk, node: NodeId) -> Metadata {
    let id = FileId::new(1, node);
    let len = disk.file(node).map_or(0, |file| file.cache.len());
    Metadata::new(id, len as u64).with_links(disk.links(node))
}
