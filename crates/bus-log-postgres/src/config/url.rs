//! The options of a URL: ours, and those that the driver reads.

use std::str::FromStr;
use std::time::Duration;

use bus_log::{LogError, Result};
use bus_remote::options::{self, UrlOption};

/// The URL without its options, and the options, decoded.
pub(super) fn split(url: &str) -> Result<(&str, Vec<UrlOption<'_>>)> {
    let is_ours = url.starts_with("postgres://") || url.starts_with("postgresql://");
    if !is_ours {
        return Err(LogError::invalid(
            "postgres url begins with neither postgres:// nor postgresql://",
        ));
    }
    options::split("postgres", url)
}

/// The driver's own configuration. Each option is tried alone, so that the error names it.
pub(super) fn driver(rest: &str, asked: &[UrlOption<'_>]) -> Result<tokio_postgres::Config> {
    // The driver ends the password at the first of them: the rest would be a host, or a database, and be shown.
    if rest.matches('@').count() > 1 {
        return Err(LogError::invalid(
            "postgres url has more than one @: encode the password, or the name of the database, where @ is %40",
        ));
    }
    for (name, value) in asked {
        let alone = tokio_postgres::Config::from_str(&format!("{name}={}", quoted(value)));
        // The driver's words may repeat the value, which may be a password.
        alone.map_err(|_| {
            LogError::invalid(format!(
                "postgres url has an option that is unknown or has no such value: {}",
                options::plain(name)
            ))
        })?;
    }
    let query: Vec<String> = asked
        .iter()
        .map(|(name, value)| format!("{name}={}", encoded(value)))
        .collect();
    let whole = match query.join("&") {
        query if query.is_empty() => rest.to_owned(),
        query => format!("{rest}?{query}"),
    };
    let config = tokio_postgres::Config::from_str(&whole).map_err(|_| {
        LogError::invalid("postgres url is not postgres://user:password@host:port/database")
    })?;
    if config.get_hosts().is_empty() && config.get_hostaddrs().is_empty() {
        return Err(LogError::invalid("postgres url names no host"));
    }
    Ok(config)
}

/// Sets what was not asked for so that a connection to a machine that is gone breaks within a minute: until
/// then it keeps its place in the pool. The system's own limits are hours.
pub(super) fn notice_dead_peers(driver: &mut tokio_postgres::Config, asked: &[UrlOption<'_>]) {
    let is_asked = |name| asked.iter().any(|(asked, _)| *asked == name);
    if !is_asked("keepalives_idle") {
        driver.keepalives_idle(Duration::from_secs(30));
    }
    if !is_asked("keepalives_interval") {
        driver.keepalives_interval(Duration::from_secs(10));
    }
    if !is_asked("keepalives_retries") {
        driver.keepalives_retries(3);
    }
    if !is_asked("tcp_user_timeout") {
        driver.tcp_user_timeout(Duration::from_mins(1));
    }
}

fn quoted(value: &str) -> String {
    format!("'{}'", value.replace('\\', r"\\").replace('\'', r"\'"))
}

fn encoded(value: &str) -> String {
    let mut text = String::with_capacity(value.len());
    for byte in value.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            text.push(char::from(byte));
        } else {
            text.push_str(&format!("%{byte:02X}"));
        }
    }
    text
}
