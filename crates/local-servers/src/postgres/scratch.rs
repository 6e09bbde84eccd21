//! A server for one test.

use std::fs;
use std::io;
use std::ops::{Deref, DerefMut};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use super::Postgres;

/// A PostgreSQL that is new, and ends with the value, its folder too.
#[derive(Debug)]
pub struct ScratchPostgres {
    server: Postgres,
    folder: PathBuf,
}

impl ScratchPostgres {
    /// Makes and starts one, in a folder of its own below `parent`.
    ///
    /// # Errors
    ///
    /// As [`Postgres::prepare`] and [`Postgres::start`].
    pub fn start(parent: &Path) -> io::Result<Self> {
        Self::started(Postgres::prepare(&own_folder(parent))?)
    }

    /// Makes and starts a standby of another server.
    ///
    /// # Errors
    ///
    /// As [`start`](Self::start).
    pub fn standby_of(primary: &Postgres, parent: &Path) -> io::Result<Self> {
        Self::started(Postgres::standby_of(primary, &own_folder(parent))?)
    }

    fn started(server: Postgres) -> io::Result<Self> {
        let mut scratch = Self {
            folder: server.folder().to_owned(),
            server,
        };
        scratch.server.start()?;
        Ok(scratch)
    }
}

fn own_folder(parent: &Path) -> PathBuf {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    parent.join(format!("postgres-{}-{count}", std::process::id()))
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
        let _ = fs::remove_dir_all(&self.folder);
    }
}
