//! JSON text kept as it came.

mod name;

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;

pub(crate) use name::{Name, Text};

/// One JSON value, validated and kept as text, verbatim.
///
/// Inside events it stands where other crates put `serde_json::Value`, because a re-serialised tree
/// is not what came in: it loses the digits of `0.10`, of `1e400` and of a 30-digit integer, the
/// order of keys, and the spelling of escapes. `Json` keeps all of them.
///
/// The one thing it drops is line breaks *between* tokens, so that every value fits on one line of
/// a JSON Lines file; inside strings, JSON does not allow raw line breaks at all.
///
/// Two values are equal if their text is. Cloning shares the text.
///
/// # Example
///
/// ```
/// use bus_core::Json;
///
/// let input = Json::parse(r#"{"n": 0.10, "big": 123456789012345678901234567890}"#)?;
/// assert_eq!(input.as_str(), r#"{"n": 0.10, "big": 123456789012345678901234567890}"#);
/// # Ok::<(), bus_core::JsonError>(())
/// ```
#[derive(Clone)]
pub struct Json(Arc<RawValue>);

impl Json {
    /// Checks that `text` is one JSON value and keeps it, without the white space around it.
    ///
    /// # Errors
    ///
    /// [`JsonError`] with the place of the first fault.
    pub fn parse(text: &str) -> Result<Self, JsonError> {
        let raw: &RawValue = serde_json::from_str(text).map_err(JsonError)?;
        Ok(Self::from_raw(raw.to_owned()))
    }

    /// Writes `value` as JSON text.
    ///
    /// # Errors
    ///
    /// [`JsonError`] if the value has no JSON form, such as a map with keys that are not strings.
    pub fn encode<T: Serialize + ?Sized>(value: &T) -> Result<Self, JsonError> {
        serde_json::value::to_raw_value(value)
            .map(Self::from_raw)
            .map_err(JsonError)
    }

    /// Reads the text as a value of type `T`.
    ///
    /// # Errors
    ///
    /// [`JsonError`] if the text does not describe a `T`.
    pub fn decode<'a, T: Deserialize<'a>>(&'a self) -> Result<T, JsonError> {
        serde_json::from_str(self.as_str()).map_err(JsonError)
    }

    /// A JSON string holding `text`.
    #[must_use]
    pub fn string(text: &str) -> Self {
        Self::from(serde_json::Value::from(text))
    }

    /// The value `null`.
    #[must_use]
    pub fn null() -> Self {
        Self::from(serde_json::Value::Null)
    }

    /// The text, verbatim.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.get()
    }

    /// The crate's own way in for text that serde_json has already validated.
    pub(crate) fn from_raw(raw: Box<RawValue>) -> Self {
        if !has_line_break(raw.get()) {
            return Self(Arc::from(raw));
        }
        // In valid JSON a raw line break only ever stands between tokens, and no two tokens are
        // kept apart by white space alone: dropping it changes no value.
        let one_line: String = raw
            .get()
            .chars()
            .filter(|c| !matches!(c, '\n' | '\r'))
            .collect();
        match RawValue::from_string(one_line) {
            Ok(raw) => Self(Arc::from(raw)),
            Err(_) => Self(Arc::from(raw)),
        }
    }
}

/// Looks at many bytes at once, since most texts have none.
fn has_line_break(text: &str) -> bool {
    text.as_bytes().chunks(256).any(|chunk| {
        chunk.iter().fold(false, |found, byte| {
            found | (*byte == b'\n') | (*byte == b'\r')
        })
    })
}

impl From<serde_json::Value> for Json {
    fn from(value: serde_json::Value) -> Self {
        // `Value`'s own Display is its JSON text and cannot fail.
        match RawValue::from_string(value.to_string()) {
            Ok(raw) => Self::from_raw(raw),
            Err(_) => Self(Arc::from(RawValue::NULL.to_owned())),
        }
    }
}

impl FromStr for Json {
    type Err = JsonError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

impl fmt::Display for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Json({})", self.as_str())
    }
}

impl PartialEq for Json {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for Json {}

impl std::hash::Hash for Json {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.as_str().hash(state);
    }
}

impl Serialize for Json {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Box::<RawValue>::deserialize(deserializer).map(Self::from_raw)
    }
}

/// Why some text is not JSON, or not JSON of the expected shape.
#[derive(Debug, thiserror::Error)]
#[error("invalid json")]
pub struct JsonError(#[source] pub(crate) serde_json::Error);

impl JsonError {
    /// 1-based line of the fault, 0 if it has no place.
    #[must_use]
    pub fn line(&self) -> usize {
        self.0.line()
    }

    /// 1-based column of the fault, in bytes, 0 if it has no place.
    #[must_use]
    pub fn column(&self) -> usize {
        self.0.column()
    }
}

impl From<JsonError> for std::io::Error {
    fn from(error: JsonError) -> Self {
        Self::new(std::io::ErrorKind::InvalidData, error)
    }
}

#[cfg(test)]
mod tests;
