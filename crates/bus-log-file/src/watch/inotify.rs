//! Linux's own news of files.
//!
//! A session file that is there is watched itself, for one change at a time: who is woken looks, and asks
//! again if there is more to wait for, so that a busy session costs nothing while nobody waits. For one
//! that is not there its folder is watched for new names, and for a folder that is not there the one
//! above.

use std::ffi::OsStr;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

use bus_log::SinkThread;
use rustix::event::{EventfdFlags, PollFd, PollFlags, eventfd, poll};
use rustix::fs::inotify::{self, CreateFlags, ReadFlags, Reader, WatchFlags};
use rustix::io::Errno;

use super::Watch;
use super::table::{Table, Target};
use crate::layout::{ThreadId, ThreadPaths};

/// A change of the file, or of its being the file of that name.
const FILE: WatchFlags = WatchFlags::MODIFY
    .union(WatchFlags::ATTRIB)
    .union(WatchFlags::MOVE_SELF)
    .union(WatchFlags::DELETE_SELF)
    .union(WatchFlags::ONESHOT);

/// A new name in the folder, or its going away.
const FOLDER: WatchFlags = WatchFlags::CREATE
    .union(WatchFlags::MOVED_TO)
    .union(WatchFlags::MOVE_SELF)
    .union(WatchFlags::DELETE_SELF)
    .union(WatchFlags::ONLYDIR);

/// The folder is not, or not here, any more.
const GONE: ReadFlags = ReadFlags::IGNORED
    .union(ReadFlags::DELETE_SELF)
    .union(ReadFlags::MOVE_SELF)
    .union(ReadFlags::UNMOUNT);

/// File systems of this machine: ext2 to 4, XFS, Btrfs, tmpfs, ramfs, F2FS, ZFS, bcachefs, overlayfs. Others
/// may be written from elsewhere, of which this kernel has no news.
const LOCAL: [u32; 9] = [
    0x0000_ef53,
    0x5846_5342,
    0x9123_683e,
    0x0102_1994,
    0x8584_58f6,
    0xf2f5_2010,
    0x2fc1_2fc1,
    0xca45_1a4e,
    0x794c_7630,
];

/// One inotify instance and the thread that reads it. Dropping it joins the thread.
#[derive(Debug)]
pub(super) struct Kernel {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    inotify: OwnedFd,
    /// Readable once the thread is to end.
    stop: OwnedFd,
    root: PathBuf,
    watch: Arc<Watch>,
    table: Mutex<Table>,
}

impl Kernel {
    /// True if the kernel has news of all that changes in this folder.
    pub(super) fn tells(root: &Path) -> bool {
        rustix::fs::statfs(root).is_ok_and(|found| LOCAL.contains(&(found.f_type as u32)))
    }

    pub(super) fn start(root: &Path, watch: Arc<Watch>) -> io::Result<Self> {
        let shared = Arc::new(Shared {
            inotify: inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)?,
            stop: eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?,
            root: root.to_owned(),
            watch,
            table: Mutex::default(),
        });
        let own = Arc::clone(&shared);
        let thread = thread::Builder::new()
            .name("bus-file-news".to_owned())
            .spawn(move || {
                let _own = SinkThread::enter();
                own.run();
                own.end();
            })?;
        Ok(Self {
            shared,
            thread: Some(thread),
        })
    }

    /// Has the waiters of `id` woken at the next change. To be taken back by [`disarm`](Self::disarm) if
    /// there is no error.
    pub(super) fn arm(&self, id: ThreadId, paths: &ThreadPaths) -> io::Result<()> {
        let mut table = self.shared.table();
        table.join(id);
        let armed = self.shared.arm(&mut table, id, paths);
        if armed.is_err() {
            self.shared.leave(&mut table, &id);
        }
        Ok(armed?)
    }

    /// True once it tells nothing any more.
    pub(super) fn is_over(&self) -> bool {
        self.thread.as_ref().is_none_or(JoinHandle::is_finished)
    }

    pub(super) fn disarm(&self, id: &ThreadId) {
        self.shared.leave(&mut self.shared.table(), id);
    }

    #[cfg(test)]
    pub(super) fn watched(&self) -> usize {
        self.shared.table().watched()
    }
}

impl Drop for Kernel {
    fn drop(&mut self) {
        // An empty counter takes the one it is raised by.
        let _ = rustix::io::write(&self.shared.stop, &1_u64.to_ne_bytes());
        let Some(thread) = self.thread.take() else {
            return;
        };
        // The last handle may be dropped by a waker that this very thread runs.
        if thread.thread().id() != thread::current().id() {
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn arm(&self, table: &mut Table, id: ThreadId, paths: &ThreadPaths) -> Result<(), Errno> {
        if table.is_watched(&id) || self.file(table, id, paths)? {
            return Ok(());
        }
        // It may come into being between two of these, so each is followed by looking further in again.
        if !self.folder(table, id, &paths.dir, &paths.session)? {
            self.folder(table, id, &self.root, &paths.dir)?;
            if !self.folder(table, id, &paths.dir, &paths.session)? {
                return Ok(());
            }
        }
        self.file(table, id, paths).map(drop)
    }

    /// Watches the session file; false if it is not there.
    fn file(&self, table: &mut Table, id: ThreadId, paths: &ThreadPaths) -> Result<bool, Errno> {
        match inotify::add_watch(&self.inotify, &paths.session, FILE) {
            Ok(wd) => {
                table.file(id, wd);
                Ok(true)
            }
            Err(Errno::NOENT) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Watches `folder` for the name of `path`; false if the folder is not there.
    fn folder(
        &self,
        table: &mut Table,
        id: ThreadId,
        folder: &Path,
        path: &Path,
    ) -> Result<bool, Errno> {
        match inotify::add_watch(&self.inotify, folder, FOLDER) {
            Ok(wd) => {
                let name = path.file_name().unwrap_or_default();
                table.folder(id, wd, name);
                Ok(true)
            }
            Err(Errno::NOENT) => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn leave(&self, table: &mut Table, id: &ThreadId) {
        for wd in table.leave(id) {
            // It may just have gone away by itself.
            let _ = inotify::remove_watch(&self.inotify, wd);
        }
    }

    fn run(&self) {
        let mut buffer = [MaybeUninit::uninit(); 16 << 10];
        loop {
            let mut ready = [
                PollFd::new(&self.inotify, PollFlags::IN),
                PollFd::new(&self.stop, PollFlags::IN),
            ];
            match poll(&mut ready, None) {
                Err(Errno::INTR) => continue,
                Err(error) => {
                    tracing::warn!(%error, "no news of other processes any more");
                    return;
                }
                Ok(_) if !ready[1].revents().is_empty() => return,
                Ok(_) => {}
            }
            let mut news = Reader::new(&self.inotify, &mut buffer);
            let mut woken = Vec::new();
            while let Ok(event) = news.next() {
                let name = event
                    .file_name()
                    .map(|name| OsStr::from_bytes(name.to_bytes()));
                self.took_place(event.wd(), event.events(), name, &mut woken);
            }
            for id in woken {
                self.watch.wake_from_outside(&id);
            }
        }
    }

    /// Has all who wait look for themselves: nobody tells them any more.
    fn end(&self) {
        let (all, _) = self.table().clear();
        for id in all {
            self.watch.wake_from_outside(&id);
        }
    }

    /// Notes in `woken` whom an event concerns.
    fn took_place(
        &self,
        wd: i32,
        what: ReadFlags,
        name: Option<&OsStr>,
        woken: &mut Vec<ThreadId>,
    ) {
        let mut table = self.table();
        if what.contains(ReadFlags::QUEUE_OVERFLOW) {
            // Nobody knows what was lost: all look for themselves.
            let (all, watches) = table.clear();
            woken.extend(all);
            for wd in watches {
                let _ = inotify::remove_watch(&self.inotify, wd);
            }
            return;
        }
        match table.target(wd) {
            Some(Target::File(id)) => {
                woken.push(*id);
                table.forget(wd);
            }
            Some(Target::Folder(_)) if what.intersects(GONE) => {
                woken.extend(table.forget(wd));
                if what.contains(ReadFlags::MOVE_SELF) {
                    let _ = inotify::remove_watch(&self.inotify, wd);
                }
            }
            Some(Target::Folder(names)) => {
                let ids = name.and_then(|name| names.get(name));
                woken.extend(ids.into_iter().flatten());
            }
            None => {}
        }
    }
}
