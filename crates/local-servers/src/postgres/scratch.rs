//! A server for one test.

mod disk;

use std::fs;
use std::io;
use std::ops::{Deref, DerefMut};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use super::{Postgres, USER};
use crate::{port, process};
use disk::SmallDisk;
pub use disk::{Part, may_mount};

/// How often another port is tried.
const TRIES: u32 = 3;

/// What the server's log says then.
const PORT_TAKEN: &str = "could not create any TCP/IP sockets";

/// A PostgreSQL that is new, and ends with the value, its folder too.
#[derive(Debug)]
pub struct ScratchPostgres {
    server: Postgres,
    folder: PathBuf,
    disk: Option<SmallDisk>,
}

impl ScratchPostgres {
    /// Makes and starts one, in a folder of its own below `parent`.
    ///
    /// # Errors
    ///
    /// As [`Postgres::prepare`] and [`Postgres::start`].
    pub fn start(parent: &Path) -> io::Result<Self> {
        let server = Self::new_in(parent)?;
        server.init()?;
        Self::started(server)
    }

    /// Makes and starts a standby of another server.
    ///
    /// # Errors
    ///
    /// As [`start`](Self::start).
    pub fn standby_of(primary: &Postgres, parent: &Path) -> io::Result<Self> {
        let server = Self::new_in(parent)?;
        server.copy_of(primary)?;
        Self::started(server)
    }

    /// A server in a folder of its own, without data, and nothing left there of tests that were killed.
    fn new_in(parent: &Path) -> io::Result<Postgres> {
        let parent = crate::folder_below(parent, USER)?;
        fs::create_dir_all(&parent)?;
        sweep(&parent);
        let mut server = Postgres::at(&own_folder(&parent))?;
        // A process that had our id may have left it running.
        server.resume()?;
        server.kill()?;
        Ok(server)
    }

    fn started(server: Postgres) -> io::Result<Self> {
        let mut scratch = Self {
            folder: server.folder().to_owned(),
            server,
            disk: None,
        };
        scratch.start_at_a_free_port()?;
        Ok(scratch)
    }

    /// A port that was free may have been taken before the server came to it: nobody knows it yet, so
    /// another one is as good.
    fn start_at_a_free_port(&mut self) -> io::Result<()> {
        for _ in 0..TRIES {
            match self.server.start() {
                Err(error) if error.to_string().contains(PORT_TAKEN) => {
                    self.server.port = port::free()?;
                }
                done => return done,
            }
        }
        self.server.start()
    }
}

/// The folder's name says whose it is.
fn own_folder(parent: &Path) -> PathBuf {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    parent.join(format!("postgres-{}-{count}", std::process::id()))
}

/// Ends and removes what processes left that were killed before they could.
fn sweep(parent: &Path) {
    let Ok(entries) = fs::read_dir(parent) else {
        return;
    };
    for folder in entries.flatten().map(|entry| entry.path()) {
        if owner(&folder).is_none_or(process::is_alive) {
            continue;
        }
        // Another test may be sweeping too, and what fails now is tried by the next.
        if let Ok(mut server) = Postgres::at(&folder) {
            let _ = server.resume();
            let _ = server.kill();
        }
        disk::clear(&folder);
        let _ = fs::remove_dir_all(&folder);
    }
}

/// The process that a folder is named after.
fn owner(folder: &Path) -> Option<i32> {
    let name = folder.file_name()?.to_str()?.strip_prefix("postgres-")?;
    let (owner, count) = name.split_once('-')?;
    count.parse::<u32>().ok()?;
    owner.parse().ok()
}

impl Deref for ScratchPostgres {
    type Target = Postgres;

    fn deref(&self) -> &Postgres {
        &self.server
    }
}

impl DerefMut for ScratchPostgres {
    fn deref_mut(&mut self) -> &mut Postgres {
        &mut self.server
    }
}

impl Drop for ScratchPostgres {
    fn drop(&mut self) {
        // It may be down, or paused, as its test left it; what remains is a folder to be thrown away.
        let _ = self.server.resume();
        let _ = self.server.stop();
        drop(self.disk.take());
        let _ = fs::remove_dir_all(&self.folder);
    }
}

#[cfg(test)]
mod tests;
