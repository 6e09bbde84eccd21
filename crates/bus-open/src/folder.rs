//! `Folder`: the directory of a log, and the options that its URL gives.

use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;

use bus_log::{LogError, Result};

use crate::percent;

/// A directory, and what else its URL says of the log in it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Folder {
    pub(crate) path: PathBuf,
    /// Names and values, decoded and checked.
    options: Vec<(String, String)>,
}

impl Folder {
    /// A directory whose log has the default settings.
    pub(crate) fn new(path: PathBuf) -> Self {
        let options = Vec::new();
        Self { path, options }
    }

    /// What stands after `file:`.
    pub(crate) fn parse(rest: &str) -> Result<Self> {
        if rest.contains('#') {
            return Err(LogError::invalid(
                "file url has a #; in a path write %23 for it",
            ));
        }
        let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
        let folder = Self {
            path: directory(path)?,
            options: options(query)?,
        };
        folder.check()?;
        Ok(folder)
    }

    /// How the log is to be opened.
    #[cfg(feature = "file")]
    pub(crate) fn config(&self) -> Result<bus_log_file::FileLogConfig> {
        let mut config = bus_log_file::FileLogConfig::default();
        for (name, value) in &self.options {
            config = config.with_option(name, value)?;
        }
        Ok(config)
    }

    #[cfg(feature = "file")]
    fn check(&self) -> Result<()> {
        self.config().map(drop)
    }

    #[cfg(not(feature = "file"))]
    fn check(&self) -> Result<()> {
        match self.options.is_empty() {
            true => Ok(()),
            false => Err(crate::url::not_built_in("file")),
        }
    }
}

impl fmt::Display for Folder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let slashes = if self.path.is_absolute() { "//" } else { "" };
        let bytes = self.path.as_os_str().as_encoded_bytes();
        write!(f, "file:{slashes}{}", percent::Encoded(bytes))?;
        for (place, (name, value)) in self.options.iter().enumerate() {
            let mark = if place == 0 { '?' } else { '&' };
            write!(f, "{mark}{name}={}", percent::Encoded(value.as_bytes()))?;
        }
        Ok(())
    }
}

/// Names and values of what stands behind the `?`. No value is repeated in an error: whoever forgets to encode a path, or
/// swaps two URLs, must not find a password in a log.
fn options(query: &str) -> Result<Vec<(String, String)>> {
    let wrong =
        || LogError::invalid("file url has an option without a value; in a path write %3F for ?");
    let given = query.split('&').filter(|option| !option.is_empty());
    given
        .map(|option| {
            let (name, value) = option.split_once('=').ok_or_else(wrong)?;
            let value = percent::decode(value).and_then(|bytes| String::from_utf8(bytes).ok());
            let value = value.ok_or_else(|| {
                LogError::invalid("file url has a broken percent-encoding in an option")
            })?;
            Ok((name.to_owned(), value))
        })
        .collect()
}

/// The directory that stands after `file:`.
fn directory(rest: &str) -> Result<PathBuf> {
    let path = match rest.strip_prefix("//") {
        None => rest,
        Some(rest) => match rest.split_once('/').map_or(rest, |(host, _)| host) {
            "" | "." | ".." => rest,
            "localhost" => &rest["localhost".len()..],
            _ => {
                return Err(LogError::invalid(
                    "file url names a host; write file:///absolute/dir or file:relative/dir",
                ));
            }
        },
    };
    let bytes = percent::decode(path)
        .ok_or_else(|| LogError::invalid("file url has a % without two hexadecimal digits"))?;
    if bytes.is_empty() {
        return Err(LogError::invalid("file url names no directory"));
    }
    if bytes.contains(&0) {
        return Err(LogError::invalid("file url has a NUL in its path"));
    }
    os_string(bytes).map(PathBuf::from)
}

#[cfg(unix)]
#[expect(
    clippy::unnecessary_wraps,
    reason = "elsewhere not every sequence of bytes is a name"
)]
fn os_string(bytes: Vec<u8>) -> Result<OsString> {
    Ok(std::os::unix::ffi::OsStringExt::from_vec(bytes))
}

#[cfg(not(unix))]
fn os_string(bytes: Vec<u8>) -> Result<OsString> {
    match String::from_utf8(bytes) {
        Ok(text) => Ok(text.into()),
        Err(_) => Err(LogError::invalid("file url's path is not UTF-8")),
    }
}

#[cfg(all(test, feature = "file"))]
mod tests;
