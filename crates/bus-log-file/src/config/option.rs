//! Settings as the options of a log's URL: names and values.

use std::time::Duration;

use bus_log::{LogError, Result};

use super::{Durability, FileLogConfig};

/// The longest time that an option takes.
const LONGEST: Duration = Duration::from_secs(86_400);

impl FileLogConfig {
    /// Sets what one option of a log's URL says.
    ///
    /// | Option | Value | As |
    /// |---|---|---|
    /// | `durability` | `sync`, `os`, or a time | [`with_durability`](Self::with_durability); a time is [`Durability::Interval`] |
    /// | `idle` | a time | [`with_idle`](Self::with_idle) |
    /// | `open_threads` | a number | [`with_open_threads`](Self::with_open_threads) |
    /// | `queue_bytes` | a number | [`with_queue_bytes`](Self::with_queue_bytes) |
    /// | `segment_bytes` | a number | [`with_segment_bytes`](Self::with_segment_bytes) |
    ///
    /// A time is a whole number of seconds, or of milliseconds with `ms` behind it: `30`, `250ms`; at most a day.
    ///
    /// ```
    /// use bus_log_file::FileLogConfig;
    ///
    /// let config = FileLogConfig::default().with_option("durability", "250ms")?;
    /// config.with_option("durability", "soon").unwrap_err();
    /// # Ok::<(), bus_log_file::LogError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// `Invalid` if there is no such option, or it can't have this value. The value is not repeated.
    pub fn with_option(self, name: &str, value: &str) -> Result<Self> {
        Ok(match name {
            "durability" => self.with_durability(durability(value)?),
            "idle" => self.with_idle(time(name, value)?),
            "open_threads" => self.with_open_threads(size(name, value)?),
            "queue_bytes" => self.with_queue_bytes(size(name, value)?),
            "segment_bytes" => self.with_segment_bytes(number(name, value)?),
            other => {
                return Err(LogError::invalid(format!(
                    "file url has an unknown option: {} (in a path write %3F for ?)",
                    plain(other)
                )));
            }
        })
    }
}

fn durability(value: &str) -> Result<Durability> {
    match value {
        "sync" => Ok(Durability::Sync),
        "os" => Ok(Durability::Os),
        _ => match time("durability", value) {
            Ok(interval) => Ok(Durability::Interval(interval)),
            Err(error) => Err(LogError::invalid(
                "durability is neither sync nor os nor a time, such as 250ms",
            )
            .with_source(error)),
        },
    }
}

fn time(name: &str, value: &str) -> Result<Duration> {
    let time = match value.strip_suffix("ms") {
        Some(millis) => Duration::from_millis(number(name, millis)?),
        None => Duration::from_secs(number(name, value)?),
    };
    if time > LONGEST {
        return Err(LogError::invalid(format!(
            "{name} is too long: at most {} s",
            LONGEST.as_secs()
        )));
    }
    Ok(time)
}

fn size(name: &str, value: &str) -> Result<usize> {
    usize::try_from(number(name, value)?)
        .map_err(|error| LogError::invalid(format!("{name} is too large")).with_source(error))
}

fn number(name: &str, value: &str) -> Result<u64> {
    match value.parse() {
        Ok(0) => Err(LogError::invalid(format!("{name} must be greater than 0"))),
        Ok(number) => Ok(number),
        Err(error) => Err(LogError::invalid(format!("{name} is not a number")).with_source(error)),
    }
}

/// A name that may be shown: whoever swapped name and value must not see the value in a log.
fn plain(name: &str) -> &str {
    let is_word = name.len() < 32 && name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
    if is_word { name } else { "(not shown)" }
}
