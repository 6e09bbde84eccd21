//! Where the log is, and how it is reached.

mod url;

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use bus_log::{LogError, Result};
use tokio_postgres::config::{SslMode, TargetSessionAttrs};

/// The shortest and the longest time that is taken for one. The server counts in whole milliseconds, and 0 would be no
/// limit to it.
const SHORTEST: Duration = Duration::from_millis(1);
const LONGEST: Duration = Duration::from_hours(24);

/// How long one host may take to answer, unless something else is asked for.
const CONNECT: Duration = Duration::from_secs(10);

/// Whoever names certificates to trust wants TLS, and gets no connection in the clear that takes the password along.
pub(crate) const TLS_WANTED: &str =
    "tls_ca, or sslrootcert, needs TLS: neither sslmode=disable nor prefer";

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
    /// What was asked for, if anything was.
    tls: Option<TlsMode>,
    tls_ca: Option<PathBuf>,
    schema: String,
    max_connections: usize,
    pool_timeout: Duration,
    call_timeout: Duration,
    poll_interval: Duration,
    create: bool,
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
    /// | `sslmode` | `disable`, `prefer`, `require`: encrypted, but with whom is not checked; `verify-ca`, `verify-full`: the certificate is checked | `prefer`, and `verify-full` with a `tls_ca` |
    /// | `tls_ca`, or `sslrootcert` | a PEM file of the certificates to trust instead of the system's; `require` then means `verify-ca` | the system's |
    /// | `schema` | the schema that holds the log: lower-case letters, digits, `_` | `bus_log` |
    /// | `max_connections` | of this log's pool; one more brings news | 8 |
    /// | `pool_timeout` | seconds that a call waits for a connection | 10 |
    /// | `connect_timeout` | seconds for one host to answer | 10 |
    /// | `call_timeout`, or `statement_timeout` | seconds that a call may take | 30 |
    /// | `target_session_attrs` | `read-write`, `any` | `read-write`: of several hosts the primary |
    ///
    /// Times are at most a day. The driver's other options, such as `application_name` and `keepalives_idle`, are taken too.
    ///
    /// # Errors
    ///
    /// `Invalid`, naming the option; nothing else of the URL is repeated.
    pub fn parse(url: &str) -> Result<Self> {
        let (rest, options) = url::split(url)?;
        let mut config = Self {
            driver: tokio_postgres::Config::new(),
            tls: None,
            tls_ca: None,
            schema: "bus_log".into(),
            max_connections: 8,
            pool_timeout: Duration::from_secs(10),
            call_timeout: Duration::from_secs(30),
            poll_interval: Duration::from_secs(5),
            create: true,
            read_only: false,
        };
        let mut others = Vec::new();
        let (mut attributes, mut connect_timeout) = (false, CONNECT);
        for (name, value) in options {
            match name {
                "sslmode" => config.tls = Some(tls_mode(&value)?),
                "tls_ca" | "sslrootcert" => config.tls_ca = Some(PathBuf::from(value)),
                "schema" => config = config.with_schema(value)?,
                "max_connections" => {
                    config = config.with_max_connections(number(name, &value)?);
                }
                "pool_timeout" => config = config.with_pool_timeout(seconds(name, &value)?),
                "connect_timeout" => connect_timeout = seconds(name, &value)?,
                "call_timeout" | "statement_timeout" => {
                    config = config.with_call_timeout(seconds(name, &value)?);
                }
                other => {
                    attributes |= other == "target_session_attrs";
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
        config.driver.connect_timeout(connect_timeout);
        if config.driver.get_password().is_none()
            && let Some(password) = std::env::var_os("PGPASSWORD")
        {
            config.driver.password(password.as_encoded_bytes());
        }
        url::notice_dead_peers(&mut config.driver, &others);
        if config.driver.get_application_name().is_none() {
            config.driver.application_name("bus");
        }
        if config.wants_other_tls() {
            return Err(LogError::invalid(TLS_WANTED));
        }
        config.encrypt();
        Ok(config)
    }

    /// Sets the schema of the database that holds the log; `bus_log` by default.
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
                "invalid schema: use a-z, 0-9, _, no digit first, at most 63 bytes",
            ));
        }
        self.schema = schema;
        Ok(self)
    }

    /// Sets a PEM file of the certificates to trust instead of the system's. Where no `sslmode` was asked for, it
    /// is `verify-full` then; where that was `disable` or `prefer`, the log is not opened: it is `Invalid`.
    #[must_use]
    pub fn with_tls_ca(mut self, path: impl Into<PathBuf>) -> Self {
        self.tls_ca = Some(path.into());
        self.encrypt();
        self
    }

    /// Sets how many connections it opens for calls at most, at least one; 8 by default. Each call
    /// takes one while it is with the server, and one thread's appends take one between them. One
    /// connection more is opened for news where somebody waits for them or appends.
    ///
    /// One of them is kept for calls that only read: all others may wait for a synchronous standby that is away.
    /// With a single connection, reads are `Unavailable` for as long as a change waits on it.
    #[must_use]
    pub fn with_max_connections(mut self, connections: usize) -> Self {
        self.max_connections = connections.max(1);
        self
    }

    /// Sets the time that a call waits for a free connection; 10 s by default, from 1 ms to a
    /// day. After it the call is `Unavailable`.
    #[must_use]
    pub fn with_pool_timeout(mut self, limit: Duration) -> Self {
        self.pool_timeout = limit.clamp(SHORTEST, LONGEST);
        self
    }

    /// Sets the time that one host may take to answer; 10 s by default, from 1 ms to a day.
    #[must_use]
    pub fn with_connect_timeout(mut self, limit: Duration) -> Self {
        self.driver.connect_timeout(limit.clamp(SHORTEST, LONGEST));
        self
    }

    /// Sets the time that a call may take once it has a connection; 30 s by default, from 1 ms to a day.
    /// After it the server cancels the call, or it is given up: it is `Unavailable`.
    #[must_use]
    pub fn with_call_timeout(mut self, limit: Duration) -> Self {
        self.call_timeout = limit.clamp(SHORTEST, LONGEST);
        self
    }

    /// Sets the time after which a waiting `changed` looks by itself, in case that news
    /// were lost with whoever should have sent them; 5 s by default, from 1 ms to a day.
    #[must_use]
    pub fn with_poll_interval(mut self, interval: Duration) -> Self {
        self.poll_interval = interval.clamp(SHORTEST, LONGEST);
        self
    }

    /// The same, but tables and functions are not made or changed when it is opened: for a role that
    /// may not. Somebody else's migration must have come before.
    #[must_use]
    pub const fn without_creation(mut self) -> Self {
        self.create = false;
        self
    }

    /// The same, to read only: from a standby too, and without making anything. Whatever would
    /// change the log is `Unsupported`.
    #[must_use]
    pub fn read_only(mut self) -> Self {
        self.read_only = true;
        self.create = false;
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

    pub(crate) fn tls_mode(&self) -> TlsMode {
        // By libpq's default it might be in the clear, and nobody would look at the certificates.
        let unless_asked = match self.tls_ca {
            Some(_) => TlsMode::VerifyFull,
            None => TlsMode::Prefer,
        };
        self.tls.unwrap_or(unless_asked)
    }

    pub(crate) fn tls_ca(&self) -> Option<&Path> {
        self.tls_ca.as_deref()
    }

    /// Whether it names certificates to trust, and asks for a mode that looks at none.
    pub(crate) fn wants_other_tls(&self) -> bool {
        let looks_at_none = matches!(self.tls_mode(), TlsMode::Disable | TlsMode::Prefer);
        self.tls_ca.is_some() && looks_at_none
    }

    /// Tells the driver what the mode asks of it.
    fn encrypt(&mut self) {
        self.driver.ssl_mode(match self.tls_mode() {
            TlsMode::Disable => SslMode::Disable,
            TlsMode::Prefer => SslMode::Prefer,
            TlsMode::Require | TlsMode::VerifyCa | TlsMode::VerifyFull => SslMode::Require,
        });
    }

    pub(crate) const fn max_connections(&self) -> usize {
        self.max_connections
    }

    pub(crate) const fn pool_timeout(&self) -> Duration {
        self.pool_timeout
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

    /// How long we wait for the server's answer, which it should have given or cancelled by then.
    pub(crate) fn patience(&self) -> Duration {
        self.call_timeout + self.call_timeout / 10 + Duration::from_millis(100)
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
            .field("tls", &self.tls_mode())
            .field("max_connections", &self.max_connections)
            .field("pool_timeout", &self.pool_timeout)
            .field("call_timeout", &self.call_timeout)
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
        .map_err(|error| LogError::invalid(format!("{name} is not a number")).with_source(error))
}

fn seconds(name: &str, value: &str) -> Result<Duration> {
    match number(name, value)? {
        0 => Err(LogError::invalid(format!("{name} must be greater than 0"))),
        seconds if seconds as u64 > LONGEST.as_secs() => Err(LogError::invalid(format!(
            "{name} is too long: at most {} s",
            LONGEST.as_secs()
        ))),
        seconds => Ok(Duration::from_secs(seconds as u64)),
    }
}

#[cfg(test)]
mod tests;
