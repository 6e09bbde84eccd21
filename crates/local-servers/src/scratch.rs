//! A server for one test.

mod disk;

use std::fs;
use std::io;
use std::ops::{Deref, DerefMut};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use crate::server::Kind;
use crate::{Nats, Postgres, Redis, port, process};
use disk::SmallDisk;
pub use disk::{Part, may_mount};

/// How often another port is tried.
const TRIES: u32 = 3;

/// A server that is new, and ends with the value, its folder too.
#[derive(Debug)]
pub struct Scratch<S: Kind> {
    server: S,
    folder: PathBuf,
    disk: Option<SmallDisk>,
}

/// A NATS server of a test's own.
pub type ScratchNats = Scratch<Nats>;

/// A PostgreSQL of a test's own.
pub type ScratchPostgres = Scratch<Postgres>;

/// A Redis of a test's own.
pub type ScratchRedis = Scratch<Redis>;

impl<S: Kind> Scratch<S> {
    /// Makes and starts one, in a folder of its own below `parent`.
    ///
    /// # Errors
    ///
    /// `NotFound` if such a server is not installed; if it can't be made, or does not start.
    pub fn start(parent: &Path) -> io::Result<Self> {
        Self::start_as(parent, |_| Ok(()))
    }

    /// The same with settings of its own.
    ///
    /// # Errors
    ///
    /// As [`start`](Self::start), and what the settings give.
    pub fn start_as(
        parent: &Path,
        settings: impl FnOnce(&mut S) -> io::Result<()>,
    ) -> io::Result<Self> {
        let mut scratch = Self::prepare(parent)?;
        settings(&mut scratch)?;
        scratch.start_at_a_free_port()?;
        Ok(scratch)
    }

    /// Makes one that is to be started by the test, which can set it up before.
    ///
    /// # Errors
    ///
    /// `NotFound` if such a server is not installed; if it can't be made.
    pub fn prepare(parent: &Path) -> io::Result<Self> {
        let mut scratch = Self::below(parent)?;
        scratch.server.wipe()?;
        Ok(scratch)
    }

    /// One in a folder of its own, whose data are for the caller to make, and nothing left there of tests that were killed.
    pub(crate) fn below(parent: &Path) -> io::Result<Self> {
        let parent = crate::folder_below(parent, S::USER)?;
        fs::create_dir_all(&parent)?;
        sweep::<S>(&parent);
        let mut server = S::at(&own_folder::<S>(&parent))?;
        // A process that had our id may have left it running.
        server.resume()?;
        server.kill()?;
        Ok(Self {
            folder: server.folder().to_owned(),
            server,
            disk: None,
        })
    }

    /// A port that was free may have been taken before the server came to it: nobody knows it yet, so
    /// another one is as good.
    pub(crate) fn start_at_a_free_port(&mut self) -> io::Result<()> {
        for _ in 0..TRIES {
            match self.server.start() {
                Err(error) if error.to_string().contains(S::PORT_TAKEN) => {
                    self.server.set_port(port::free()?);
                }
                done => return done,
            }
        }
        self.server.start()
    }
}

/// The folder's name says whose it is.
fn own_folder<S: Kind>(parent: &Path) -> PathBuf {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    parent.join(format!("{}-{}-{count}", S::NAME, std::process::id()))
}

/// Ends and removes what processes left that were killed before they could.
fn sweep<S: Kind>(parent: &Path) {
    let Ok(entries) = fs::read_dir(parent) else {
        return;
    };
    for folder in entries.flatten().map(|entry| entry.path()) {
        if owner::<S>(&folder).is_none_or(process::is_alive) {
            continue;
        }
        // Another test may be sweeping too, and what fails now is tried by the next.
        if let Ok(mut server) = S::at(&folder) {
            let _ = server.resume();
            let _ = server.kill();
        }
        disk::clear(&folder);
        let _ = fs::remove_dir_all(&folder);
    }
}

/// The process that a folder is named after.
fn owner<S: Kind>(folder: &Path) -> Option<i32> {
    let name = folder.file_name()?.to_str()?.strip_prefix(S::NAME)?;
    let (owner, count) = name.strip_prefix('-')?.split_once('-')?;
    count.parse::<u32>().ok()?;
    owner.parse().ok()
}

impl<S: Kind> Deref for Scratch<S> {
    type Target = S;

    fn deref(&self) -> &S {
        &self.server
    }
}

impl<S: Kind> DerefMut for Scratch<S> {
    fn deref_mut(&mut self) -> &mut S {
        &mut self.server
    }
}

impl<S: Kind> Drop for Scratch<S> {
    fn drop(&mut self) {
        // It may be down, or paused, as its test left it; what remains is a folder to be thrown away.
        let _ = self.server.resume();
        let _ = self.server.end();
        drop(self.disk.take());
        let _ = fs::remove_dir_all(&self.folder);
    }
}

#[cfg(test)]
mod tests;
