//! The options of a log's URL: what stands behind its `?`.
//!
//! A URL may hold a password, also where it does not belong. So no error here repeats a value, and a name only where it can
//! be nothing else.

use bus_log::{LogError, Result};

/// One option: its name as it stands in the URL, and its value, decoded.
pub type UrlOption<'a> = (&'a str, String);

/// The URL without its options, and the options. `what` names the kind of URL in errors, such as `postgres`.
///
/// ```
/// let url = "redis://host/0?prefix=a%20b";
/// let (rest, options) = bus_remote::options::split("redis", url)?;
/// assert_eq!((rest, &options[..]), ("redis://host/0", &[("prefix", "a b".into())][..]));
/// # Ok::<(), bus_log::LogError>(())
/// ```
///
/// # Errors
///
/// `Invalid` if an option has no value or a broken percent-encoding, and if there is an `@` behind the `?`: then a password
/// holds a `?` of its own, and all that follows is a part of it.
pub fn split<'a>(what: &str, url: &'a str) -> Result<(&'a str, Vec<UrlOption<'a>>)> {
    let (rest, query) = url.split_once('?').unwrap_or((url, ""));
    if query.contains('@') {
        return Err(LogError::invalid(format!(
            "{what} url has an @ behind its ?: encode the password, where ? is %3F, or the value, where @ is %40"
        )));
    }
    let mut options = Vec::new();
    for option in query.split('&').filter(|option| !option.is_empty()) {
        let (name, value) = option.split_once('=').ok_or_else(|| {
            LogError::invalid(format!("{what} url has an option without a value"))
        })?;
        let value = decoded(value).ok_or_else(|| {
            LogError::invalid(format!(
                "{what} url has a broken percent-encoding in an option: {}",
                plain(name)
            ))
        })?;
        options.push((name, value));
    }
    Ok((rest, options))
}

/// A name that may be shown: whoever swapped name and value must not see the value in a log.
#[must_use]
pub fn plain(name: &str) -> &str {
    let is_word = name.len() < 32 && name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
    if is_word { name } else { "(not shown)" }
}

/// What a percent-encoded text stands for; `None` if the encoding is broken, or of no UTF-8.
#[must_use]
pub fn decoded(value: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(value.len());
    let mut rest = value.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let mut digit = || char::from(rest.next()?).to_digit(16);
            let code = digit().zip(digit()).map(|(high, low)| high << 4 | low);
            bytes.push(code.and_then(|code| u8::try_from(code).ok())?);
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests;
