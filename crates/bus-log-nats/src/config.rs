//! Where the log is, and how it is reached.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use async_nats::ServerAddr;
use bus_log::{LogError, Result};
use bus_remote::options;

/// Times are at least this, and at most that: a day, of which any number can be added to the clock.
const LEAST: Duration = Duration::from_millis(1);
const MOST: Duration = Duration::from_secs(86_400);

/// Longest prefix of subjects, which the names of tenants and threads share a subject with.
const MAX_PREFIX_BYTES: usize = 256;

/// Where a log is, and how it is reached. Neither `Debug` nor any error shows a password or token.
///
/// ```
/// use bus_log_nats::NatsConfig;
///
/// let config = NatsConfig::parse("nats://bus:secret@n1,n2,n3:4222/agents?replicas=3")?;
/// assert_eq!(config.stream(), "agents");
/// assert!(!format!("{config:?}").contains("secret"));
/// # Ok::<(), bus_log::LogError>(())
/// ```
#[derive(Clone)]
pub struct NatsConfig {
    servers: Vec<ServerAddr>,
    login: Login,
    tls: bool,
    tls_ca: Option<PathBuf>,
    stream: String,
    prefix: Option<String>,
    domain: Option<String>,
    replicas: Option<usize>,
    storage: Option<Storage>,
    call_timeout: Duration,
    connect_timeout: Duration,
    poll_interval: Duration,
    create: bool,
    read_only: bool,
}

/// Who we are to the server, by the URL.
#[derive(Clone)]
pub(crate) enum Login {
    Nobody,
    Token(String),
    User(String, String),
}

/// What a stream is kept in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Storage {
    /// Files: what the log is for.
    File,
    /// The servers' memory: gone with the last of them. For tests.
    Memory,
}

impl NatsConfig {
    /// Reads `nats://user:password@host:port,host:port/stream?option=value&…`; `tls://` is the same and asks for TLS.
    /// A user without a password is a token; with `NATS_PASSWORD` in the environment it is a user, and that the password.
    /// The port is 4222 and the stream `bus_log` where none is named.
    ///
    /// | Option | Meaning | Default |
    /// |---|---|---|
    /// | `replicas` | servers that keep the stream: 1, 3 or 5; a stream that is there must have as many | 1 for a new stream |
    /// | `storage` | `file`, or `memory` for tests; as above | `file` for a new stream |
    /// | `prefix` | what subjects begin with | the stream's name |
    /// | `domain` | the JetStream domain | none |
    /// | `tls_ca`, or `sslrootcert` | a PEM file of certificates to trust besides the system's | none |
    /// | `call_timeout`, or `timeout` | seconds that a change or an answer may take | 10 |
    /// | `connect_timeout` | seconds for one server to take the connection | 10 |
    ///
    /// # Errors
    ///
    /// `Invalid`, naming the option; nothing else of the URL is repeated.
    pub fn parse(url: &str) -> Result<Self> {
        let (rest, given) = options::split("nats", url)?;
        let (scheme, rest) = rest
            .split_once("://")
            .ok_or_else(|| LogError::invalid("nats url without ://"))?;
        let tls = match scheme {
            "nats" => false,
            "tls" => true,
            _ => return Err(LogError::invalid("nats url is neither nats:// nor tls://")),
        };
        let (login, place) = match rest.rsplit_once('@') {
            Some((login, place)) => (login_of(login)?, place),
            None => (Login::Nobody, rest),
        };
        let (hosts, stream) = place.split_once('/').unwrap_or((place, ""));
        let mut config = Self {
            servers: hosts.split(',').map(server).collect::<Result<_>>()?,
            login,
            tls,
            tls_ca: None,
            stream: "bus_log".into(),
            prefix: None,
            domain: None,
            replicas: None,
            storage: None,
            call_timeout: Duration::from_secs(10),
            connect_timeout: Duration::from_secs(10),
            poll_interval: Duration::from_secs(5),
            create: true,
            read_only: false,
        };
        if !stream.is_empty() {
            config = config.with_stream(stream)?;
        }
        for (name, value) in given {
            config = match name {
                "replicas" => config.with_replicas(number(name, &value)?)?,
                "storage" => config.with_storage(storage(&value)?),
                "prefix" => config.with_prefix(value)?,
                "domain" => Self {
                    domain: Some(token("domain", value)?),
                    ..config
                },
                "tls_ca" | "sslrootcert" => config.with_tls_ca(value),
                "call_timeout" | "timeout" => config.with_call_timeout(seconds(name, &value)?),
                "connect_timeout" => config.with_connect_timeout(seconds(name, &value)?),
                other => {
                    return Err(LogError::invalid(format!(
                        "nats url has an unknown option: {}",
                        options::plain(other)
                    )));
                }
            };
        }
        Ok(config)
    }

    /// Sets the stream that holds the log; `bus_log` by default.
    ///
    /// # Errors
    ///
    /// `Invalid` if the name is not made of letters, digits, `_` and `-`, or is longer than 128 bytes.
    pub fn with_stream(mut self, stream: impl Into<String>) -> Result<Self> {
        self.stream = token("stream", stream.into())?;
        Ok(self)
    }

    /// Sets what the subjects begin with: letters, digits, `_` and `-`, with dots between them, at most 256
    /// bytes. By default the stream's name.
    ///
    /// # Errors
    ///
    /// `Invalid` if it is made of anything else, or is longer.
    pub fn with_prefix(mut self, prefix: impl Into<String>) -> Result<Self> {
        let prefix = prefix.into();
        if prefix.len() > MAX_PREFIX_BYTES {
            return Err(LogError::invalid(format!(
                "prefix of {} bytes, at most {MAX_PREFIX_BYTES} are taken",
                prefix.len()
            )));
        }
        for part in prefix.split('.') {
            token("prefix", part.into())?;
        }
        self.prefix = Some(prefix);
        Ok(self)
    }

    /// Sets how many servers keep the stream: 1, 3 or 5.
    ///
    /// # Errors
    ///
    /// `Invalid` for any other number.
    pub fn with_replicas(mut self, replicas: usize) -> Result<Self> {
        if ![1, 3, 5].contains(&replicas) {
            return Err(LogError::invalid("replicas is none of 1, 3, 5"));
        }
        self.replicas = Some(replicas);
        Ok(self)
    }

    /// Sets what the stream is kept in.
    #[must_use]
    pub const fn with_storage(mut self, storage: Storage) -> Self {
        self.storage = Some(storage);
        self
    }

    /// The same, and trusts the certificates of this PEM file besides those of the system; it asks for TLS.
    #[must_use]
    pub fn with_tls_ca(mut self, path: impl Into<PathBuf>) -> Self {
        self.tls_ca = Some(path.into());
        self
    }

    /// Sets the time that an answer may take, and for which a change is tried again while its outcome is
    /// known to be nothing; 10 s by default, from 1 ms to a day. After it the call is `Unavailable`.
    #[must_use]
    pub const fn with_call_timeout(mut self, limit: Duration) -> Self {
        self.call_timeout = limit;
        self
    }

    /// Sets the time that one server may take to accept the connection; 10 s by default, from 1 ms to a day.
    #[must_use]
    pub const fn with_connect_timeout(mut self, limit: Duration) -> Self {
        self.connect_timeout = limit;
        self
    }

    /// Sets the time after which a waiting `changed` looks by itself, in case that news were lost; 5 s by
    /// default, from 1 ms to a day.
    #[must_use]
    pub const fn with_poll_interval(mut self, interval: Duration) -> Self {
        self.poll_interval = interval;
        self
    }

    /// The same, but no stream is made where there is none.
    #[must_use]
    pub const fn without_creation(mut self) -> Self {
        self.create = false;
        self
    }

    /// The same, to read only: nothing is made, and whatever would change the log is `Unsupported`.
    #[must_use]
    pub const fn read_only(mut self) -> Self {
        self.read_only = true;
        self.create = false;
        self
    }

    /// The stream that holds the log.
    #[must_use]
    pub fn stream(&self) -> &str {
        &self.stream
    }

    pub(crate) fn servers(&self) -> &[ServerAddr] {
        &self.servers
    }

    pub(crate) const fn login(&self) -> &Login {
        &self.login
    }

    pub(crate) const fn asks_for_tls(&self) -> bool {
        self.tls || self.tls_ca.is_some()
    }

    pub(crate) fn tls_ca(&self) -> Option<&Path> {
        self.tls_ca.as_deref()
    }

    /// The prefix that was asked for, if any was.
    pub(crate) fn prefix(&self) -> Option<&str> {
        self.prefix.as_deref()
    }

    pub(crate) fn domain(&self) -> Option<&str> {
        self.domain.as_deref()
    }

    pub(crate) const fn replicas(&self) -> Option<usize> {
        self.replicas
    }

    pub(crate) const fn storage(&self) -> Option<Storage> {
        self.storage
    }

    pub(crate) fn call_timeout(&self) -> Duration {
        self.call_timeout.clamp(LEAST, MOST)
    }

    pub(crate) fn connect_timeout(&self) -> Duration {
        self.connect_timeout.clamp(LEAST, MOST)
    }

    pub(crate) fn poll_interval(&self) -> Duration {
        self.poll_interval.clamp(LEAST, MOST)
    }

    pub(crate) const fn creates(&self) -> bool {
        self.create
    }

    pub(crate) const fn is_read_only(&self) -> bool {
        self.read_only
    }
}

impl FromStr for NatsConfig {
    type Err = LogError;

    fn from_str(url: &str) -> Result<Self> {
        Self::parse(url)
    }
}

impl fmt::Debug for NatsConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let servers: Vec<_> = self
            .servers
            .iter()
            .map(|server| (server.host(), server.port()))
            .collect();
        f.debug_struct("NatsConfig")
            .field("servers", &servers)
            .field("tls", &self.tls)
            .field("stream", &self.stream)
            .field("prefix", &self.prefix)
            .field("replicas", &self.replicas)
            .field("storage", &self.storage)
            .field("call_timeout", &self.call_timeout)
            .field("read_only", &self.read_only)
            .finish_non_exhaustive()
    }
}

/// One of the URL's hosts. The login is told apart, so that no address of the driver's ever holds it.
fn server(host: &str) -> Result<ServerAddr> {
    let refused = || LogError::invalid("invalid host in nats url");
    if host.is_empty() || host.contains(['/', '#', '@']) {
        return Err(refused());
    }
    format!("nats://{host}").parse().map_err(|_| refused())
}

fn login_of(text: &str) -> Result<Login> {
    let plain = |text: &str| {
        options::decoded(text)
            .ok_or_else(|| LogError::invalid("nats url has a broken percent-encoding in its login"))
    };
    Ok(match text.split_once(':') {
        Some((user, password)) => Login::User(plain(user)?, plain(password)?),
        None => match std::env::var("NATS_PASSWORD") {
            Ok(password) => Login::User(plain(text)?, password),
            Err(_) => Login::Token(plain(text)?),
        },
    })
}

fn storage(value: &str) -> Result<Storage> {
    match value {
        "file" => Ok(Storage::File),
        "memory" => Ok(Storage::Memory),
        _ => Err(LogError::invalid("storage is neither file nor memory")),
    }
}

/// A name that is one token of a subject.
fn token(what: &str, name: String) -> Result<String> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-');
    if name.is_empty() || name.len() > 128 || !name.bytes().all(plain) {
        return Err(LogError::invalid(format!(
            "invalid {what}: use a-z, A-Z, 0-9, _ and -, at most 128 bytes"
        )));
    }
    Ok(name)
}

fn number(name: &str, value: &str) -> Result<usize> {
    value
        .parse()
        .map_err(|error| LogError::invalid(format!("{name} is not a number")).with_source(error))
}

fn seconds(name: &str, value: &str) -> Result<Duration> {
    match number(name, value)? {
        0 => Err(LogError::invalid(format!("{name} must be greater than 0"))),
        seconds if seconds > 86_400 => Err(LogError::invalid(format!(
            "{name} is too long: at most 86400 s"
        ))),
        seconds => Ok(Duration::from_secs(seconds as u64)),
    }
}

#[cfg(test)]
mod tests;
