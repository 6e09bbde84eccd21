//! The options of a URL: ours, and those that the driver reads.

use std::str::FromStr;
use std::time::Duration;

use bus_log::{LogError, Result};

/// The URL without its options, and the options, decoded.
pub(super) fn split(url: &str) -> Result<(&str, Vec<(&str, String)>)> {
    let is_ours = url.starts_with("postgres://") || url.starts_with("postgresql://");
    if !is_ours {
        return Err(LogError::invalid(
            "postgres url begins with neither postgres:// nor postgresql://",
        ));
    }
    let (rest, query) = url.split_once('?').unwrap_or((url, ""));
    let mut options = Vec::new();
    for option in query.split('&').filter(|option| !option.is_empty()) {
        let (name, value) = option
            .split_once('=')
            .ok_or_else(|| LogError::invalid("postgres url has an option without a value"))?;
        options.push((name, decoded(name, value)?));
    }
    Ok((rest, options))
}

/// The driver's own configuration. Each option is tried alone, so that the error names it.
pub(super) fn driver(rest: &str, options: &[(&str, String)]) -> Result<tokio_postgres::Config> {
    for (name, value) in options {
        let alone = tokio_postgres::Config::from_str(&format!("{name}={}", quoted(value)));
        // The driver's words may repeat the value, which may be a password.
        alone.map_err(|_| {
            LogError::invalid(format!(
                "postgres url has an option that is unknown or has no such value: {}",
                plain(name)
            ))
        })?;
    }
    let query: Vec<String> = options
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
pub(super) fn notice_dead_peers(driver: &mut tokio_postgres::Config, asked: &[(&str, String)]) {
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

/// A name that may be shown: whoever swapped name and value must not see the value in a log.
fn plain(name: &str) -> &str {
    let is_word = name.len() < 32 && name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
    if is_word { name } else { "(not shown)" }
}

fn quoted(value: &str) -> String {
    format!("'{}'", value.replace('\\', r"\\").replace('\'', r"\'"))
}

fn decoded(name: &str, value: &str) -> Result<String> {
    let broken = || {
        LogError::invalid(format!(
            "postgres url has a broken percent-encoding in an option: {}",
            plain(name)
        ))
    };
    let mut bytes = Vec::with_capacity(value.len());
    let mut rest = value.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let mut digit = || char::from(rest.next()?).to_digit(16);
            let code = digit().zip(digit()).map(|(high, low)| high << 4 | low);
            let code = code.and_then(|code| u8::try_from(code).ok());
            bytes.push(code.ok_or_else(broken)?);
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).map_err(|_| broken())
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
