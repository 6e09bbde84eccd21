//! A URL as the configuration that it says. It may hold passwords, so no error repeats a part of it but an option's
//! name.

use std::path::PathBuf;
use std::time::Duration;

use bus_log::{LogError, Result};
use bus_remote::options;

use super::{Address, Durability, LONGEST, Login, RedisConfig, Sentinel, TLS_WANTED};

const PORT: u16 = 6379;
const SENTINEL_PORT: u16 = 26379;

pub(super) fn parse(url: &str) -> Result<RedisConfig> {
    let (rest, asked) = options::split("redis", url)?;
    let (rest, tls) = match rest.split_once("://") {
        Some(("redis", rest)) => (rest, false),
        Some(("rediss", rest)) => (rest, true),
        _ => {
            return Err(LogError::invalid(
                "redis url begins with neither redis:// nor rediss://",
            ));
        }
    };
    // A password that should have been encoded may hold either.
    let (login, place) = rest.rsplit_once('@').unwrap_or(("", rest));
    let (hosts, database) = place.split_once('/').unwrap_or((place, ""));
    let mut config = RedisConfig {
        hosts: Vec::new(),
        tls,
        tls_ca: None,
        login: self::login(login)?,
        database: self::database(database)?,
        sentinel: None,
        prefix: "bus_log".into(),
        durability: Durability::default(),
        replicas: 0,
        connect_timeout: Duration::from_secs(10),
        call_timeout: Duration::from_secs(30),
        poll_interval: Duration::from_secs(5),
        create: true,
        read_only: false,
    };
    let mut sentinel_login = Login::default();
    let mut service = None;
    for (name, value) in asked {
        match name {
            "prefix" => config = config.with_prefix(value)?,
            "durability" => config.durability = durability(&value)?,
            "replicas" => config.replicas = number(name, &value)?,
            "sentinel" => service = Some(value),
            "sentinel_user" => sentinel_login.user = Some(value),
            "sentinel_password" => sentinel_login.password = Some(value),
            "tls_ca" | "sslrootcert" => config.tls_ca = Some(PathBuf::from(value)),
            "connect_timeout" => config.connect_timeout = seconds(name, &value)?,
            "call_timeout" => config.call_timeout = seconds(name, &value)?,
            other => {
                return Err(LogError::invalid(format!(
                    "redis url has an option that is unknown: {}",
                    options::plain(other)
                )));
            }
        }
    }
    if config.tls_ca.is_some() && !tls {
        return Err(LogError::invalid(TLS_WANTED));
    }
    let port = if service.is_some() {
        SENTINEL_PORT
    } else {
        PORT
    };
    config.hosts = self::hosts(hosts, port)?;
    config.sentinel = service.map(|service| Sentinel {
        service,
        login: sentinel_login,
    });
    if config.login.password.is_none() {
        config.login.password = std::env::var("REDISCLI_AUTH").ok();
    }
    Ok(config)
}

fn login(text: &str) -> Result<Login> {
    let (user, password) = match text.split_once(':') {
        Some((user, password)) => (user, Some(password)),
        None => (text, None),
    };
    let wrong = || LogError::invalid("redis url has a broken percent-encoding in its login");
    let decoded = |text: &str| options::decoded(text).ok_or_else(wrong);
    Ok(Login {
        user: (!user.is_empty()).then(|| decoded(user)).transpose()?,
        password: password.map(decoded).transpose()?,
    })
}

fn database(text: &str) -> Result<i64> {
    match text {
        "" => Ok(0),
        digits if digits.bytes().all(|b| b.is_ascii_digit()) => digits.parse().map_err(|_| wrong()),
        _ => Err(wrong()),
    }
}

fn hosts(text: &str, port: u16) -> Result<Vec<Address>> {
    text.split(',').map(|host| address(host, port)).collect()
}

/// `name`, `name:port`, `[ipv6]:port`.
fn address(text: &str, port: u16) -> Result<Address> {
    let (host, after) = match text.strip_prefix('[') {
        Some(rest) => rest.split_once(']').ok_or_else(wrong)?,
        None => text.find(':').map_or((text, ""), |at| text.split_at(at)),
    };
    let port = match after.strip_prefix(':') {
        Some(digits) => digits.parse().map_err(|_| wrong())?,
        None if after.is_empty() => port,
        None => return Err(wrong()),
    };
    if host.is_empty() {
        return Err(LogError::invalid("redis url names no host"));
    }
    Ok(Address {
        host: host.into(),
        port,
    })
}

fn wrong() -> LogError {
    LogError::invalid("redis url is not redis://user:password@host:port/database")
}

fn durability(value: &str) -> Result<Durability> {
    let all = [
        Durability::Fsync,
        Durability::EverySecond,
        Durability::Memory,
        Durability::Unchecked,
    ];
    let found = all.into_iter().find(|one| one.as_str() == value);
    found.ok_or_else(|| {
        LogError::invalid("durability is none of fsync, everysec, memory, unchecked")
    })
}

fn number(name: &str, value: &str) -> Result<u32> {
    value
        .parse()
        .map_err(|error| LogError::invalid(format!("{name} is not a number")).with_source(error))
}

fn seconds(name: &str, value: &str) -> Result<Duration> {
    match number(name, value)? {
        0 => Err(LogError::invalid(format!("{name} must be greater than 0"))),
        seconds if u64::from(seconds) > LONGEST.as_secs() => Err(LogError::invalid(format!(
            "{name} is too long: at most {} s",
            LONGEST.as_secs()
        ))),
        seconds => Ok(Duration::from_secs(seconds.into())),
    }
}
