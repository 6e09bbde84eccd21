//! Where the log is, and how it is reached.

mod url;

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use bus_log::{LogError, Result};
use tokio_postgres::config::{SslMode, TargetSessionAttrs};

/// The shortest and the longest time that the server can limit a statement to. 0 would be no limit.
const SHORTEST: Duration = Duration::from_millis(1);
const LONGEST: Duration = Duration::from_millis(i32::MAX as u64);

/// Where a log is, and how it is reached. Neither `Debug` nor any error shows the password.
///
/// ```
/// use bus_log_postgres::PostgresConfig;
///
/// let config = PostgresConfig::parse(
///     "postgres://bus:secret@db1,db2/agents?sslmode=verify-full&schema=team_a",
/// )?
/// .with_max_connections(4);
/// assert!(!format!("{config:?}").contains("secret"));
/// # Ok::<(), bus_log::LogError>(())
/// ```
#[derive(Clone)]
pub struct PostgresConfig {
    driver: tokio_postgres::Config,
    tls: TlsMode,
    tls_root: Option<PathBuf>,
    schema: String,
    max_connections: usize,
    pool_timeout: Duration,
    statement_timeout: Duration,
    poll_interval: Duration,
    migrate: bool,
    read_only: bool,
}

/// What `sslmode` says, with libpq's words and meanings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TlsMode {
    Disable,
    Prefer,
    Require,
    VerifyCa,
    VerifyFull,
}

impl PostgresConfig {
    /// Reads `postgres://user:password@host:port/database?option=value&…`, as libpq does; several
    /// hosts stand with commas between them. Without a password in the URL, `PGPASSWORD` is taken
    /// from the environment.
    ///
    /// | Option | Meaning | Default |
    /// |---|---|---|
    /// | `sslmode` | `disable`, `prefer`, `require`: encrypted, but with whom is not checked; `verify-ca`, `verify-full`: the certificate is checked | `prefer` |
    /// | `sslrootcert` | a PEM file of the certificates to trust; `require` then means `verify-ca` | the system's |
    /// | `schema` | the schema that holds the log: lower-case letters, digits, `_` | `bus_log` |
    /// | `max_connections` | of this log's pool; one more brings news | 8 |
    /// | `pool_timeout` | seconds that a call waits for a connection | 10 |
    /// | `connect_timeout` | seconds for one host to answer | 10 |
    /// | `statement_timeout` | seconds that a call may take | 30 |
    /// | `target_session_attrs` | `read-write`, `any` | `read-write`: of several hosts the primary |
    ///
    /// The driver's other options, such as `application_name` and `keepalives_idle`, are taken too.
    ///
    /// # Errors
    ///
    /// `Invalid`, naming the option; nothing else of the URL is repeated.
    pub fn parse(url: &str) -> Result<Self> {
        let (rest, options) = url::split(url)?;
        let mut config = Self {
            driver: tokio_postgres::Config::new(),
            tls: TlsMode::Prefer,
            tls_root: None,
            schema: "bus_log".into(),
            max_connections: 8,
            pool_timeout: Duration::from_secs(10),
            statement_timeout: Duration::from_secs(30),
            poll_interval: Duration::from_secs(5),
            migrate: true,
            read_only: false,
        };
        let mut others = Vec::new();
        let (mut attributes, mut connect_timeout) = (false, false);
        for (name, value) in options {
            match name {
                "sslmode" => config.tls = tls_mode(&value)?,
                "sslrootcert" => config.tls_root = Some(PathBuf::from(value)),
                "schema" => config = config.with_schema(value)?,
                "max_connections" => {
                    config = config.with_max_connections(number(name, &value)?);
                }
                "pool_timeout" => config = config.with_pool_timeout(seconds(name, &value)?),
                "statement_timeout" => {
                    config = config.with_statement_timeout(seconds(name, &value)?);
                }
                other => {
                    attributes |= other == "target_session_attrs";
                    connect_timeout |= other == "connect_timeout";
                    others.push((other, value));
                }
            }
        }
        config.driver = url::driver(rest, &others)?;
        if !attributes {
            config
                .driver
                .target_session_attrs(TargetSessionAttrs::ReadWrite);
        }
        if !connect_timeout {
            config.driver.connect_timeout(Duration::from_secs(10));
        }
        if config.driver.get_password().is_none()
            && let Some(password) = std::env::var_os("PGPASSWORD")
        {
            config.driver.password(password.as_encoded_bytes());
        }
        url::notice_dead_peers(&mut config.driver, &others);
        if config.driver.get_application_name().is_none() {
            config.driver.application_name("bus");
        }
        let encrypted = match config.tls {
            TlsMode::Disable => SslMode::Disable,
            TlsMode::Prefer => SslMode::Prefer,
            TlsMode::Require | TlsMode::VerifyCa | TlsMode::VerifyFull => SslMode::Require,
        };
        config.driver.ssl_mode(encrypted);
        Ok(config)
    }

    /// The same with the log in another schema of the database; `bus_log` by default.
    ///
    /// # Errors
    ///
    /// `Invalid` if the name is not made of lower-case letters, digits and `_`, begins with a digit,
    /// or is longer than 63 bytes.
    pub fn with_schema(mut self, schema: impl Into<String>) -> Result<Self> {
        let schema = schema.into();
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
        let begins_well = schema.starts_with(|c: char| plain(c) && !c.is_ascii_digit());
        if !begins_well || !schema.chars().all(plain) || schema.len() > 63 {
            return Err(LogError::invalid(
                "schema is no name of lower-case letters, digits and _, at most 63 bytes",
            ));
        }
        self.schema = schema;
        Ok(self)
    }

    /// The same with at most so many connections for calls, at least one; 8 by default. Each call
    /// takes one while it is with the server, and one thread's appends take one between them. One
    /// connection more is opened for news where somebody waits for them or appends.
    #[must_use]
    pub fn with_max_connections(mut self, connections: usize) -> Self {
        self.max_connections = connections.max(1);
        self
    }

    /// The same with another time that a call waits for a free connection; 10 s by default. After it
    /// the call is `Unavailable`.
    #[must_use]
    pub const fn with_pool_timeout(mut self, limit: Duration) -> Self {
        self.pool_timeout = limit;
        self
    }

    /// The same with another time that one host may take to answer; 10 s by default.
    #[must_use]
    pub fn with_connect_timeout(mut self, limit: Duration) -> Self {
        self.driver.connect_timeout(limit);
        self
    }

    /// The same with another time that a call may take once it has a connection; 30 s by default.
    /// After it the server cancels the call, or it is given up: it is `Unavailable`. The server counts in
    /// whole milliseconds, from 1 to 2^31 - 1; less or more is taken as the nearest of these.
    #[must_use]
    pub fn with_statement_timeout(mut self, limit: Duration) -> Self {
        self.statement_timeout = limit.clamp(SHORTEST, LONGEST);
        self
    }

    /// The same with another time after which a waiting `changed` looks by itself, in case that news
    /// were lost with whoever should have sent them; 5 s by default.
    #[must_use]
    pub const fn with_poll_interval(mut self, interval: Duration) -> Self {
        self.poll_interval = interval;
        self
    }

    /// The same, but tables and functions are not made or changed when it is opened: for a role that
    /// may not. Somebody else's migration must have come before.
    #[must_use]
    pub const fn without_migration(mut self) -> Self {
        self.migrate = false;
        self
    }

    /// The same, to read only: from a standby too, and without making anything. Whatever would
    /// change the log is `Unsupported`.
    #[must_use]
    pub fn read_only(mut self) -> Self {
        self.read_only = true;
        self.migrate = false;
        self.driver.target_session_attrs(TargetSessionAttrs::Any);
        self
    }

    /// The schema that holds the log.
    #[must_use]
    pub fn schema(&self) -> &str {
        &self.schema
    }

    pub(crate) const fn driver(&self) -> &tokio_postgres::Config {
        &self.driver
    }

    pub(crate) const fn tls_mode(&self) -> TlsMode {
        self.tls
    }

    pub(crate) fn tls_root(&self) -> Option<&Path> {
        self.tls_root.as_deref()
    }

    pub(crate) const fn max_connections(&self) -> usize {
        self.max_connections
    }

    pub(crate) const fn pool_timeout(&self) -> Duration {
        self.pool_timeout
    }

    pub(crate) const fn statement_timeout(&self) -> Duration {
        self.statement_timeout
    }

    pub(crate) const fn poll_interval(&self) -> Duration {
        self.poll_interval
    }

    pub(crate) const fn migrates(&self) -> bool {
        self.migrate
    }

    pub(crate) const fn is_read_only(&self) -> bool {
        self.read_only
    }

    /// How long we wait for the server's answer, which it should have given or cancelled by then.
    pub(crate) fn patience(&self) -> Duration {
        self.statement_timeout + self.statement_timeout / 10 + Duration::from_millis(100)
    }
}

impl FromStr for PostgresConfig {
    type Err = LogError;

    fn from_str(url: &str) -> Result<Self> {
        Self::parse(url)
    }
}

impl fmt::Debug for PostgresConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresConfig")
            .field("hosts", &self.driver.get_hosts())
            .field("ports", &self.driver.get_ports())
            .field("database", &self.driver.get_dbname())
            .field("user", &self.driver.get_user())
            .field("schema", &self.schema)
            .field("tls", &self.tls)
            .field("max_connections", &self.max_connections)
            .field("pool_timeout", &self.pool_timeout)
            .field("statement_timeout", &self.statement_timeout)
            .field("read_only", &self.read_only)
            .finish_non_exhaustive()
    }
}

fn tls_mode(value: &str) -> Result<TlsMode> {
    match value {
        "disable" => Ok(TlsMode::Disable),
        "prefer" => Ok(TlsMode::Prefer),
        "require" => Ok(TlsMode::Require),
        "verify-ca" => Ok(TlsMode::VerifyCa),
        "verify-full" => Ok(TlsMode::VerifyFull),
        _ => Err(LogError::invalid(
            "sslmode is none of disable, prefer, require, verify-ca, verify-full",
        )),
    }
}

fn number(name: &str, value: &str) -> Result<usize> {
    value
        .parse()
        .map_err(|error| LogError::invalid(format!("{name} is no number")).with_source(error))
}

fn seconds(name: &str, value: &str) -> Result<Duration> {
    match number(name, value)? {
        0 => Err(LogError::invalid(format!("{name} is no time: 0"))),
        seconds if seconds as u64 > LONGEST.as_secs() => Err(LogError::invalid(format!(
            "{name} is too long: at most {} s",
            LONGEST.as_secs()
        ))),
        seconds => Ok(Duration::from_secs(seconds as u64)),
    }
}

#[cfg(test)]
mod tests;
