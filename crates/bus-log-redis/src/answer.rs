//! What a script says: a word, and what belongs to it.

use bus_log::{LogError, Result};
use redis::Value;

use crate::error::TOO_FAR;

/// The answer of a script that did what it was asked, without its first word.
#[derive(Debug)]
pub(crate) struct Answer(Vec<Value>);

impl Answer {
    /// # Errors
    ///
    /// `Conflict`, `Unavailable`, `Invalid` or `Corrupt`, as the first word says.
    pub(crate) fn of(value: Value) -> Result<Self> {
        let Value::Array(values) = value else {
            return Err(strange());
        };
        let answer = Self(values);
        match answer.bytes(0)? {
            b"ok" => Ok(answer),
            b"conflict" => Err(LogError::conflict(answer.number(1)?)),
            b"far" => Err(LogError::invalid(TOO_FAR)),
            b"gone" => Err(LogError::unavailable(
                "log is not there any more: the server is empty, or another one",
            )),
            b"other" => Err(LogError::unavailable(
                "another log has taken its place on the server",
            )),
            b"fenced" => Err(LogError::unavailable(
                "not done: it came after a later call that had given it up",
            )),
            b"lost" => Err(LogError::corrupt(
                "record of a thread, or a list that names it, is gone: evicted, or deleted by hand",
            )),
            _ => Err(strange()),
        }
    }

    /// Of a script that changes a thread: whether anything was written.
    pub(crate) fn has_written(&self) -> bool {
        self.len() < 3
    }

    /// How many values there are, the first word included.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// # Errors
    ///
    /// `Internal` if there are no bytes at that place.
    pub(crate) fn bytes(&self, at: usize) -> Result<&[u8]> {
        match self.0.get(at) {
            Some(Value::BulkString(bytes)) => Ok(bytes),
            Some(Value::SimpleString(text)) => Ok(text.as_bytes()),
            _ => Err(strange()),
        }
    }

    /// # Errors
    ///
    /// `Internal` if there is no number at that place.
    pub(crate) fn number(&self, at: usize) -> Result<u64> {
        let text = std::str::from_utf8(self.bytes(at)?).ok();
        text.and_then(|text| text.parse().ok()).ok_or_else(strange)
    }

    /// # Errors
    ///
    /// `Corrupt` if the name at that place is none.
    pub(crate) fn name(&self, at: usize) -> Result<&str> {
        std::str::from_utf8(self.bytes(at)?)
            .map_err(|error| LogError::corrupt("name of a tenant or thread").with_source(error))
    }
}

fn strange() -> LogError {
    LogError::internal("script gave an answer that it can't give")
}
