//! From a URL to a log.

use std::path::Path;
use std::sync::Arc;

use bus_log::{InMemorySessionLog, LogError, Result, SessionLog, ThreadKey};

use crate::LogUrl;
use crate::folder::Folder;
use crate::url::Place;

/// Opens the log that `url` names: see [`LogUrl::parse`] for what is accepted.
///
/// # Errors
///
/// `Invalid` if the URL names no log that is built in; otherwise what the backend says on opening.
pub async fn open(url: &str) -> Result<Arc<dyn SessionLog>> {
    LogUrl::parse(url)?.open().await
}

impl LogUrl {
    /// Opens the log. A directory that does not exist is created, and so is the log on a server;
    /// `memory:` gives a new log each time.
    ///
    /// # Errors
    ///
    /// `Invalid` if the backend is not built in; otherwise what it says on opening.
    #[cfg_attr(
        not(any(feature = "nats", feature = "postgres", feature = "redis")),
        expect(clippy::unused_async, reason = "a backend on a server awaits here")
    )]
    pub async fn open(&self) -> Result<Arc<dyn SessionLog>> {
        match self.place() {
            Place::Directory(folder) => open_directory(folder),
            Place::Memory => Ok(Arc::new(InMemorySessionLog::new())),
            #[cfg(feature = "nats")]
            Place::Nats(url) => {
                let log = bus_log_nats::NatsSessionLog::open(url.with_password()).await?;
                Ok(Arc::new(log))
            }
            #[cfg(feature = "postgres")]
            Place::Postgres(url) => {
                let log = bus_log_postgres::PostgresSessionLog::open(url.with_password()).await?;
                Ok(Arc::new(log))
            }
            #[cfg(feature = "redis")]
            Place::Redis(url) => {
                let log = bus_log_redis::RedisSessionLog::open(url.with_password()).await?;
                Ok(Arc::new(log))
            }
        }
    }
}

impl LogUrl {
    /// Opens the log to read or change what is there, and makes none: `None` if there is none. `memory:`
    /// gives a new one.
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open); also `Unavailable` if it can't be told whether a log is there, or if a log
    /// on a server wants to be migrated.
    pub async fn open_existing(&self) -> Result<Option<Arc<dyn SessionLog>>> {
        match self.place() {
            Place::Directory(folder) => {
                let exists = folder.path.try_exists().map_err(|error| {
                    LogError::unavailable("directory can't be looked at").with_source(error)
                })?;
                if !exists {
                    return Ok(None);
                }
            }
            Place::Memory => {}
            #[cfg(feature = "nats")]
            Place::Nats(url) => {
                let config = bus_log_nats::NatsConfig::parse(url.with_password())?;
                let log = bus_log_nats::NatsSessionLog::open_existing(config).await?;
                return Ok(log.map(|log| Arc::new(log) as Arc<dyn SessionLog>));
            }
            #[cfg(feature = "postgres")]
            Place::Postgres(url) => {
                let config = bus_log_postgres::PostgresConfig::parse(url.with_password())?;
                let log = bus_log_postgres::PostgresSessionLog::open_existing(config).await?;
                return Ok(log.map(|log| Arc::new(log) as Arc<dyn SessionLog>));
            }
            #[cfg(feature = "redis")]
            Place::Redis(url) => {
                let config = bus_log_redis::RedisConfig::parse(url.with_password())?;
                let log = bus_log_redis::RedisSessionLog::open_existing(config).await?;
                return Ok(log.map(|log| Arc::new(log) as Arc<dyn SessionLog>));
            }
        }
        self.open().await.map(Some)
    }
}

impl LogUrl {
    /// Opens the log to read it, changing nothing where it is: for who may not write there. A directory
    /// must hold a log, and so must a server, which may be a standby. What dead writers left to be recovered is not recovered: see
    /// [`ReadOnly::unsettled`].
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open).
    #[cfg_attr(
        not(any(feature = "nats", feature = "postgres", feature = "redis")),
        expect(clippy::unused_async, reason = "a backend on a server awaits here")
    )]
    pub async fn open_read_only(&self) -> Result<ReadOnly> {
        match self.place() {
            Place::Directory(folder) => read_directory(&folder.path),
            Place::Memory => Ok(ReadOnly {
                log: Arc::new(InMemorySessionLog::new()),
                unsettled: false,
            }),
            #[cfg(feature = "nats")]
            Place::Nats(url) => {
                let config = bus_log_nats::NatsConfig::parse(url.with_password())?;
                let log = bus_log_nats::NatsSessionLog::open_with(config.read_only());
                Ok(ReadOnly {
                    log: Arc::new(log.await?),
                    unsettled: false,
                })
            }
            #[cfg(feature = "postgres")]
            Place::Postgres(url) => {
                let config = bus_log_postgres::PostgresConfig::parse(url.with_password())?;
                let log = bus_log_postgres::PostgresSessionLog::open_with(config.read_only());
                Ok(ReadOnly {
                    log: Arc::new(log.await?),
                    unsettled: false,
                })
            }
            #[cfg(feature = "redis")]
            Place::Redis(url) => {
                let config = bus_log_redis::RedisConfig::parse(url.with_password())?;
                let log = bus_log_redis::RedisSessionLog::open_with(config.read_only());
                Ok(ReadOnly {
                    log: Arc::new(log.await?),
                    unsettled: false,
                })
            }
        }
    }

    /// What the log takes on the disk; `None` if it is not on a disk of this machine.
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open).
    pub fn usage(&self) -> Result<Option<LogUsage>> {
        match self.place() {
            Place::Directory(folder) => usage_of_directory(&folder.path).map(Some),
            Place::Memory => Ok(None),
            #[cfg(feature = "nats")]
            Place::Nats(_) => Ok(None),
            #[cfg(feature = "postgres")]
            Place::Postgres(_) => Ok(None),
            #[cfg(feature = "redis")]
            Place::Redis(_) => Ok(None),
        }
    }
}

impl LogUrl {
    /// Where the log's stored sessions end too early: what is whole is readable, but acknowledged events may be
    /// missing behind it. Empty for a log that is not there.
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open).
    pub fn torn_ends(&self) -> Result<Vec<TornSession>> {
        match self.place() {
            Place::Directory(folder) if folder.path.exists() => torn_in_directory(&folder.path),
            Place::Directory(_) | Place::Memory => Ok(Vec::new()),
            // A server keeps its own house.
            #[cfg(feature = "nats")]
            Place::Nats(_) => Ok(Vec::new()),
            #[cfg(feature = "postgres")]
            Place::Postgres(_) => Ok(Vec::new()),
            #[cfg(feature = "redis")]
            Place::Redis(_) => Ok(Vec::new()),
        }
    }
}

/// A stored session that ends too early, of whatever log. (`bus_log_file::TornEnd` is the file log's own account of one.)
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TornSession {
    /// The thread, if it can be told.
    pub key: Option<ThreadKey>,
    /// File and byte, for people.
    pub place: String,
    /// The last whole ordinal; 0 if there is none.
    pub last: u64,
    /// Bytes behind it that are not whole.
    pub bytes: u64,
    /// True if a write may be under way, or a writer that died has left what is missing elsewhere: look
    /// again.
    pub may_pass: bool,
}

/// A log that was opened to read it.
#[non_exhaustive]
pub struct ReadOnly {
    /// The log. It refuses to be changed as `Unsupported`.
    pub log: Arc<dyn SessionLog>,
    /// True if writers are at work, or left something when they died: what was acknowledged last may
    /// not be shown before somebody opens the log to write.
    pub unsettled: bool,
}

/// Bytes that a log takes on the disk, whole blocks counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct LogUsage {
    /// Of the sessions themselves.
    pub sessions: u64,
    /// Of journals, spare parts included.
    pub journals: u64,
    /// Of all else, such as locks.
    pub other: u64,
}

#[cfg(feature = "file")]
fn read_directory(path: &Path) -> Result<ReadOnly> {
    let reader = bus_log_file::FileLogReader::open(path)?;
    Ok(ReadOnly {
        unsettled: reader.journals()? > 0,
        log: Arc::new(reader),
    })
}

#[cfg(feature = "file")]
fn usage_of_directory(path: &Path) -> Result<LogUsage> {
    let usage = bus_log_file::FileLogReader::open(path)?.usage()?;
    Ok(LogUsage {
        sessions: usage.sessions,
        journals: usage.journals,
        other: usage.other,
    })
}

#[cfg(feature = "file")]
fn torn_in_directory(path: &Path) -> Result<Vec<TornSession>> {
    let ends = bus_log_file::FileLogReader::open(path)?.torn_ends()?;
    let ends = ends.into_iter().map(|end| TornSession {
        place: format!("{}: byte {}", end.path.display(), end.byte),
        key: end.key,
        last: end.last,
        bytes: end.bytes,
        may_pass: end.owned,
    });
    Ok(ends.collect())
}

#[cfg(not(feature = "file"))]
fn torn_in_directory(_path: &Path) -> Result<Vec<TornSession>> {
    Err(crate::url::not_built_in("file"))
}

#[cfg(not(feature = "file"))]
fn read_directory(_path: &Path) -> Result<ReadOnly> {
    Err(crate::url::not_built_in("file"))
}

#[cfg(not(feature = "file"))]
fn usage_of_directory(_path: &Path) -> Result<LogUsage> {
    Err(crate::url::not_built_in("file"))
}

#[cfg(feature = "file")]
fn open_directory(folder: &Folder) -> Result<Arc<dyn SessionLog>> {
    let log = bus_log_file::FileSessionLog::open_with(&folder.path, folder.config()?)?;
    Ok(Arc::new(log))
}

#[cfg(not(feature = "file"))]
fn open_directory(_folder: &Folder) -> Result<Arc<dyn SessionLog>> {
    Err(crate::url::not_built_in("file"))
}

#[cfg(test)]
mod tests;
