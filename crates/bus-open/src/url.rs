//! What a log URL says.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use bus_log::{LogError, Result};

use crate::folder::Folder;
#[cfg(any(feature = "nats", feature = "postgres", feature = "redis"))]
use crate::server::ServerUrl;

/// The schemes that are built in.
pub const SCHEMES: &[&str] = &[
    #[cfg(feature = "file")]
    "file",
    "memory",
    #[cfg(feature = "nats")]
    "nats",
    #[cfg(feature = "postgres")]
    "postgres",
    #[cfg(feature = "redis")]
    "redis",
];

/// Schemes of this workspace's backends, built in or not.
const KNOWN: &[&str] = &["file", "memory", "nats", "postgres", "redis"];

/// The address of a log, checked but not opened.
///
/// [`Display`](fmt::Display) is for people. Of a folder it gives a URL that parses to the same; of a server only what can hold
/// no secret: scheme, user, hosts, the place there, and some options. `Debug` tells no more.
///
/// ```
/// use bus_open::LogUrl;
///
/// let url = LogUrl::parse("file:///var/my%20log")?;
/// assert_eq!(url.path().unwrap(), std::path::Path::new("/var/my log"));
/// assert_eq!(url.to_string(), "file:///var/my%20log");
/// assert_eq!(LogUrl::parse("/var/my log")?, url);
/// # Ok::<(), bus_open::LogError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct LogUrl(Place);

/// Where a log is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Place {
    Directory(Folder),
    Memory,
    #[cfg(feature = "nats")]
    Nats(ServerUrl),
    #[cfg(feature = "postgres")]
    Postgres(ServerUrl),
    #[cfg(feature = "redis")]
    Redis(ServerUrl),
}

impl LogUrl {
    /// Reads a log's address:
    ///
    /// - `file:///abs/dir`, `file:/abs/dir`, `file://localhost/abs/dir`: an absolute directory;
    /// - `file:rel/dir`, `file:./dir`, `file://./dir`, `file://../dir`: one relative to the working
    ///   directory;
    /// - a plain path, which has no scheme: taken as it is, not decoded;
    /// - `memory:`;
    /// - `nats://user:password@host:port/stream?option=value`, or `tls://…`, with several hosts between commas;
    /// - `postgres://user:password@host:port/database?option=value`, or `postgresql://…`, with several
    ///   hosts between commas;
    /// - `redis://user:password@host:port/database?option=value`, or `rediss://…` for TLS, with several hosts between commas.
    ///
    /// In a URL of a directory `%20` and its like stand for bytes; `?` and `#` in its path must be written `%3F` and `%23`.
    /// Behind a `?` it takes the options of `bus_log_file::FileLogConfig::with_option`:
    /// `file:///var/log/bus?durability=250ms&idle=10`.
    ///
    /// # Errors
    ///
    /// `Invalid`, naming the scheme and those that are built in; nothing after the scheme is
    /// repeated, as it may hold a password.
    pub fn parse(url: &str) -> Result<Self> {
        match split_scheme(url) {
            None if url.is_empty() => Err(LogError::invalid("log url is empty")),
            None => Ok(Self::from_path(url)),
            Some((scheme, rest)) => match scheme.to_ascii_lowercase().as_str() {
                "nats" | "tls" => nats(&format!("{}:{rest}", scheme.to_ascii_lowercase())),
                "postgres" | "postgresql" => postgres(rest),
                tls @ ("redis" | "rediss") => redis(tls, rest),
                "file" => Ok(Self(Place::Directory(Folder::parse(rest)?))),
                "memory" if rest.is_empty() || rest == "//" => Ok(Self(Place::Memory)),
                "memory" => Err(LogError::invalid("url of scheme memory has a path")),
                known if KNOWN.contains(&known) => Err(not_built_in(known)),
                _ => Err(unknown(scheme)),
            },
        }
    }

    /// The log in a directory.
    pub fn from_path(path: impl Into<PathBuf>) -> Self {
        Self(Place::Directory(Folder::new(path.into())))
    }

    /// The backend's own scheme, in lower case: `postgres` also of a URL that begins with `postgresql:`, `nats` of `tls:`.
    #[must_use]
    pub const fn scheme(&self) -> &'static str {
        match self.0 {
            Place::Directory(_) => "file",
            Place::Memory => "memory",
            #[cfg(feature = "nats")]
            Place::Nats(_) => "nats",
            #[cfg(feature = "postgres")]
            Place::Postgres(_) => "postgres",
            #[cfg(feature = "redis")]
            Place::Redis(_) => "redis",
        }
    }

    /// The directory, if the log is in one.
    #[must_use]
    pub fn path(&self) -> Option<&Path> {
        match &self.0 {
            Place::Directory(folder) => Some(&folder.path),
            Place::Memory => None,
            #[cfg(feature = "nats")]
            Place::Nats(_) => None,
            #[cfg(feature = "postgres")]
            Place::Postgres(_) => None,
            #[cfg(feature = "redis")]
            Place::Redis(_) => None,
        }
    }

    pub(crate) const fn place(&self) -> &Place {
        &self.0
    }
}

impl FromStr for LogUrl {
    type Err = LogError;

    fn from_str(url: &str) -> Result<Self> {
        Self::parse(url)
    }
}

impl fmt::Display for LogUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Place::Directory(folder) => folder.fmt(f),
            Place::Memory => f.write_str("memory:"),
            #[cfg(feature = "nats")]
            Place::Nats(url) => url.fmt(f),
            #[cfg(feature = "postgres")]
            Place::Postgres(url) => url.fmt(f),
            #[cfg(feature = "redis")]
            Place::Redis(url) => url.fmt(f),
        }
    }
}

/// Scheme and rest, where there is a scheme. One letter is a drive, not a scheme.
fn split_scheme(url: &str) -> Option<(&str, &str)> {
    let (scheme, rest) = url.split_once(':')?;
    let is_scheme = scheme.len() > 1
        && scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.'));
    is_scheme.then_some((scheme, rest))
}

/// The servers of a whole URL; the backend checks what it says.
#[cfg(feature = "nats")]
fn nats(url: &str) -> Result<LogUrl> {
    bus_log_nats::NatsConfig::parse(url)?;
    Ok(LogUrl(Place::Nats(ServerUrl::new(url))))
}

#[cfg(not(feature = "nats"))]
fn nats(_url: &str) -> Result<LogUrl> {
    Err(not_built_in("nats"))
}

/// The server that stands after `postgres:`; the backend checks what it says.
#[cfg(feature = "postgres")]
fn postgres(rest: &str) -> Result<LogUrl> {
    let url = format!("postgres:{rest}");
    bus_log_postgres::PostgresConfig::parse(&url)?;
    Ok(LogUrl(Place::Postgres(ServerUrl::new(&url))))
}

#[cfg(not(feature = "postgres"))]
fn postgres(_rest: &str) -> Result<LogUrl> {
    Err(not_built_in("postgres"))
}

/// The server that stands after `redis:` or `rediss:`; the backend checks what it says.
#[cfg(feature = "redis")]
fn redis(scheme: &str, rest: &str) -> Result<LogUrl> {
    let url = format!("{scheme}:{rest}");
    bus_log_redis::RedisConfig::parse(&url)?;
    Ok(LogUrl(Place::Redis(ServerUrl::new(&url))))
}

#[cfg(not(feature = "redis"))]
fn redis(_scheme: &str, _rest: &str) -> Result<LogUrl> {
    Err(not_built_in("redis"))
}

fn unknown(scheme: &str) -> LogError {
    LogError::invalid(format!(
        "no log of scheme {scheme}, only: {} (a path with a colon in it can be written ./like:this)",
        SCHEMES.join(", ")
    ))
}

pub(crate) fn not_built_in(scheme: &str) -> LogError {
    LogError::invalid(format!(
        "logs of scheme {scheme} are not built in, only: {}; build with the feature: {scheme}",
        SCHEMES.join(", ")
    ))
}

#[cfg(test)]
mod tests;
