//! A server for one test.

use std::fs;
use std::io;
use std::ops::{Deref, DerefMut};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use super::{Redis, USER};
use crate::{port, process};

/// How often another port is tried.
const TRIES: u32 = 3;

/// What the server's log says then.
const PORT_TAKEN: &str = "Address already in use";

/// A Redis that is new, and ends with the value, its folder too.
#[derive(Debug)]
pub struct ScratchRedis {
    server: Redis,
    folder: PathBuf,
}

impl ScratchRedis {
    /// Makes and starts one, in a folder of its own below `parent`.
    ///
    /// # Errors
    ///
    /// As [`Redis::prepare`] and [`Redis::start`].
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
        settings: impl FnOnce(&mut Redis) -> io::Result<()>,
    ) -> io::Result<Self> {
        let parent = crate::folder_below(parent, USER)?;
        fs::create_dir_all(&parent)?;
        sweep(&parent);
        let mut server = Redis::prepare(&own_folder(&parent))?;
        // A process that had our id may have left it running.
        server.resume()?;
        server.kill()?;
        server.wipe()?;
        settings(&mut server)?;
        let mut scratch = Self {
            folder: server.folder().to_owned(),
            server,
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
    parent.join(format!("redis-{}-{count}", std::process::id()))
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
        if let Ok(mut server) = Redis::prepare(&folder) {
            let _ = server.resume();
            let _ = server.kill();
        }
        let _ = fs::remove_dir_all(&folder);
    }
}

/// The process that a folder is named after.
fn owner(folder: &Path) -> Option<i32> {
    let name = folder.file_name()?.to_str()?.strip_prefix("redis-")?;
    let (owner, count) = name.split_once('-')?;
    count.parse::<u32>().ok()?;
    owner.parse().ok()
}

impl Deref for ScratchRedis {
    type Target = Redis;

    fn deref(&self) -> &Redis {
        &self.server
    }
}

impl DerefMut for ScratchRedis {
    fn deref_mut(&mut self) -> &mut Redis {
        &mut self.server
    }
}

impl Drop for ScratchRedis {
    fn drop(&mut self) {
        // It may be down, or paused, as its test left it; what remains is a folder to be thrown away.
        let _ = self.server.resume();
        // Its data are not wanted: it need not end in order.
        let _ = self.server.kill();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

#[cfg(test)]
mod tests;
