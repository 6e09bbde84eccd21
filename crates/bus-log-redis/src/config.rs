//! Where the log is, how it is reached, and what its server must promise.

mod url;

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use bus_log::{LogError, Result};

/// The shortest and the longest time that is taken for one.
const SHORTEST: Duration = Duration::from_millis(1);
const LONGEST: Duration = Duration::from_hours(24);

/// Whoever names certificates to trust wants TLS, and gets no connection in the clear that takes the password along.
pub(crate) const TLS_WANTED: &str = "tls_ca, or sslrootcert, needs rediss://";

/// Nobody looks more often: that would be no waiting.
const SHORTEST_POLL: Duration = Duration::from_millis(10);

/// Where a log is, and how it is reached. Neither `Debug` nor any error shows a password.
///
/// ```
/// use bus_log_redis::{Durability, RedisConfig};
///
/// let config = RedisConfig::parse("rediss://bus:secret@cache1,cache2:6380/0?prefix=team_a")?
///     .with_durability(Durability::EverySecond)
///     .with_replicas(1);
/// assert!(!format!("{config:?}").contains("secret"));
/// # Ok::<(), bus_log::LogError>(())
/// ```
#[derive(Clone)]
pub struct RedisConfig {
    hosts: Vec<Address>,
    tls: bool,
    tls_ca: Option<PathBuf>,
    login: Login,
    database: i64,
    sentinel: Option<Sentinel>,
    prefix: String,
    durability: Durability,
    replicas: u32,
    connect_timeout: Duration,
    call_timeout: Duration,
    poll_interval: Duration,
    create: bool,
    read_only: bool,
}

/// What an append's `Ok` must mean at least. The server's own settings decide it; a log that finds less than
/// was asked for is not opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Durability {
    /// Past `fsync` of the append-only file: `appendfsync always`.
    #[default]
    Fsync,
    /// In the append-only file, synced every second: a crash of the machine loses the last second or two.
    EverySecond,
    /// In the server's memory: whatever ends the server may lose all.
    Memory,
    /// Whatever the server does, without looking: for servers that don't let their settings be read.
    Unchecked,
}

/// Where a server listens.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Address {
    pub(crate) host: String,
    pub(crate) port: u16,
}

/// Who logs in.
#[derive(Clone, Default)]
pub(crate) struct Login {
    pub(crate) user: Option<String>,
    pub(crate) password: Option<String>,
}

/// What the hosts are asked for if they are sentinels.
#[derive(Clone)]
pub(crate) struct Sentinel {
    pub(crate) service: String,
    pub(crate) login: Login,
}

impl RedisConfig {
    /// Reads `redis://user:password@host:port/database?option=value&…`, or `rediss://…` for TLS. Several hosts
    /// stand with commas between them: nodes of a cluster, servers of which the primary is taken, or sentinels. Without
    /// a password in the URL, `REDISCLI_AUTH` is taken from the environment.
    ///
    /// | Option | Meaning | Default |
    /// |---|---|---|
    /// | `prefix` | what the log's keys begin with: lower-case letters, digits, `_` | `bus_log` |
    /// | `durability` | what `Ok` must mean: `fsync`, `everysec`, `memory`, or `unchecked`; see [`Durability`] | `fsync` |
    /// | `replicas` | how many replicas must have an append before it is `Ok` | 0 |
    /// | `sentinel` | the name of the primary that the hosts, being sentinels, are asked for | |
    /// | `sentinel_user`, `sentinel_password` | the login at the sentinels | none |
    /// | `tls_ca`, or `sslrootcert` | a PEM file of the certificates to trust instead of the system's, for `rediss` | the system's |
    /// | `connect_timeout` | seconds for one host to answer, and to be done with its first append-only file; at most a day | 10 |
    /// | `call_timeout` | seconds that a call may take; at most a day | 30 |
    ///
    /// That a server is a node of a cluster it says itself. With TLS its certificate is always checked, and its name: there
    /// is no `#insecure`. Sockets of the file system (`unix:`, `redis+unix:`) and `?protocol=` are not taken; the protocol is
    /// the third version's.
    ///
    /// # Errors
    ///
    /// `Invalid`, naming the option; nothing else of the URL is repeated.
    pub fn parse(url: &str) -> Result<Self> {
        url::parse(url)
    }

    /// Sets what the keys begin with, `bus_log` by default. Each prefix is a log of its own.
    ///
    /// # Errors
    ///
    /// `Invalid` if the name is not made of lower-case letters, digits and `_`, begins with a digit, or is longer than
    /// 63 bytes.
    pub fn with_prefix(mut self, prefix: impl Into<String>) -> Result<Self> {
        let prefix = prefix.into();
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
        let begins_well = prefix.starts_with(|c: char| plain(c) && !c.is_ascii_digit());
        if !begins_well || !prefix.chars().all(plain) || prefix.len() > 63 {
            return Err(LogError::invalid(
                "invalid prefix: use a-z, 0-9, _, no digit first, at most 63 bytes",
            ));
        }
        self.prefix = prefix;
        Ok(self)
    }

    /// The same asking for another meaning of `Ok`; [`Durability::Fsync`] by default.
    #[must_use]
    pub const fn with_durability(mut self, durability: Durability) -> Self {
        self.durability = durability;
        self
    }

    /// Sets how many replicas must have received an append before it is `Ok`; 0 by default. They have it
    /// in memory then; readers may have seen it before. A [`Conflict`](bus_log::LogErrorKind::Conflict) and
    /// [`bounds`](bus_log::SessionLog::bounds) wait for them too: both tell of appends that somebody may still be in doubt
    /// of.
    #[must_use]
    pub const fn with_replicas(mut self, replicas: u32) -> Self {
        self.replicas = replicas;
        self
    }

    /// Sets a PEM file of the certificates to trust instead of the system's. Where TLS was not asked for, by
    /// `rediss://`, the log is not opened: it is `Invalid`.
    #[must_use]
    pub fn with_tls_ca(mut self, path: impl Into<PathBuf>) -> Self {
        self.tls_ca = Some(path.into());
        self
    }

    /// Sets the time that one host may take to answer, and to be done with its first append-only file; 10 s by
    /// default, from 1 ms to a day.
    #[must_use]
    pub fn with_connect_timeout(mut self, limit: Duration) -> Self {
        self.connect_timeout = limit.clamp(SHORTEST, LONGEST);
        self
    }

    /// Sets the time that a call may take once there is a connection; 30 s by default, from 1 ms to a
    /// day. After it the call is given up: it is `Unavailable`, and so is every other call on that connection.
    #[must_use]
    pub fn with_call_timeout(mut self, limit: Duration) -> Self {
        self.call_timeout = limit.clamp(SHORTEST, LONGEST);
        self
    }

    /// Sets the time after which a waiting `changed` looks by itself, in case that news were lost; 5 s by
    /// default, from 10 ms to a day. The server's settings are looked at as often, but not less than every 10 s and not more than
    /// ten times a second.
    #[must_use]
    pub fn with_poll_interval(mut self, interval: Duration) -> Self {
        self.poll_interval = interval.clamp(SHORTEST_POLL, LONGEST);
        self
    }

    /// The same, but no log is made where there is none.
    #[must_use]
    pub const fn without_creation(mut self) -> Self {
        self.create = false;
        self
    }

    /// The same, to read only: from a replica too, without making anything, and whatever the server's durability is.
    /// Whatever would change the log is `Unsupported`.
    #[must_use]
    pub const fn read_only(mut self) -> Self {
        self.read_only = true;
        self.create = false;
        self
    }

    /// What the log's keys begin with.
    #[must_use]
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// What an append's `Ok` must mean at least.
    #[must_use]
    pub const fn durability(&self) -> Durability {
        self.durability
    }

    pub(crate) fn hosts(&self) -> &[Address] {
        &self.hosts
    }

    pub(crate) const fn has_tls(&self) -> bool {
        self.tls
    }

    pub(crate) fn tls_ca(&self) -> Option<&Path> {
        self.tls_ca.as_deref()
    }

    pub(crate) const fn login(&self) -> &Login {
        &self.login
    }

    pub(crate) const fn database(&self) -> i64 {
        self.database
    }

    pub(crate) const fn sentinel(&self) -> Option<&Sentinel> {
        self.sentinel.as_ref()
    }

    pub(crate) const fn replicas(&self) -> u32 {
        self.replicas
    }

    pub(crate) const fn connect_timeout(&self) -> Duration {
        self.connect_timeout
    }

    pub(crate) const fn call_timeout(&self) -> Duration {
        self.call_timeout
    }

    pub(crate) const fn poll_interval(&self) -> Duration {
        self.poll_interval
    }

    pub(crate) const fn creates(&self) -> bool {
        self.create
    }

    pub(crate) const fn is_read_only(&self) -> bool {
        self.read_only
    }
}

impl Durability {
    /// As it is written in a URL.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Fsync => "fsync",
            Self::EverySecond => "everysec",
            Self::Memory => "memory",
            Self::Unchecked => "unchecked",
        }
    }
}

impl FromStr for RedisConfig {
    type Err = LogError;

    fn from_str(url: &str) -> Result<Self> {
        Self::parse(url)
    }
}

impl fmt::Debug for RedisConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sentinel = self.sentinel.as_ref().map(|sentinel| &sentinel.service);
        f.debug_struct("RedisConfig")
            .field("hosts", &self.hosts)
            .field("tls", &self.tls)
            .field("user", &self.login.user)
            .field("database", &self.database)
            .field("sentinel", &sentinel)
            .field("prefix", &self.prefix)
            .field("durability", &self.durability)
            .field("replicas", &self.replicas)
            .field("connect_timeout", &self.connect_timeout)
            .field("call_timeout", &self.call_timeout)
            .field("read_only", &self.read_only)
            .finish_non_exhaustive()
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

#[cfg(test)]
mod tests;
