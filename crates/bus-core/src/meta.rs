//! [`Meta`], the metadata beside an event: id, source, run.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;

use crate::json::Name;
use crate::{Json, JsonError};

/// A small JSON object beside an event, kept verbatim.
///
/// Known keys have accessors; any other key is kept and passed on.
///
/// | key | meaning |
/// |---|---|
/// | `id` | the emitter's own id, to recognise an event again after an unknown outcome |
/// | `source` | where an imported event came from: see [`SourceRef`] |
/// | `run_id`, `turn_id`, `tool_call_id` | what the event belongs to |
/// | `producer` | the program that wrote it |
///
/// The empty object and no object are the same thing, [`Meta::default`].
///
/// # Example
///
/// ```
/// use bus_core::Meta;
///
/// let meta = Meta::default().with("run_id", "r-1")?.with("attempt", &2)?;
/// assert_eq!(meta.run_id().as_deref(), Some("r-1"));
/// assert_eq!(meta.as_str(), r#"{"run_id":"r-1","attempt":2}"#);
/// # Ok::<(), bus_core::JsonError>(())
/// ```
#[derive(Clone, Default, PartialEq, Eq, Hash)]
pub struct Meta(Option<Json>);

/// The place in a file from which an event was imported.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub struct SourceRef {
    /// Name of the file, without its folder: the same file elsewhere is the same source.
    pub file: String,
    /// 1-based number of the line.
    pub line: u64,
    /// The record's own id, where it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub record: Option<String>,
}

impl SourceRef {
    /// A line of a file, counted from 1; its record has no id of its own.
    pub fn new(file: impl Into<String>, line: u64) -> Self {
        Self {
            file: file.into(),
            line,
            record: None,
        }
    }

    /// Sets the record's own id.
    #[must_use]
    pub fn with_record(mut self, record: Option<String>) -> Self {
        self.record = record;
        self
    }
}

impl Meta {
    /// Checks that `text` is a JSON object and keeps it, verbatim.
    ///
    /// # Errors
    ///
    /// [`JsonError`] if it is not JSON, or not an object.
    pub fn parse(text: &str) -> Result<Self, JsonError> {
        Self::from_json(Json::parse(text)?)
    }

    fn from_json(json: Json) -> Result<Self, JsonError> {
        // What is known to be JSON is an object if it begins like one: it is not read once more.
        match json.as_str().strip_prefix('{') {
            Some(members) if members.trim_start().starts_with('}') => Ok(Self(None)),
            Some(_) => Ok(Self(Some(json))),
            // Says what stands there instead.
            None => json.decode::<Members<'_>>().map(|_| Self(None)),
        }
    }

    /// The object with `key` set to `value`: in its old place if the key was there, at the end if not.
    /// A key that was there more than once is there once. The other members keep their spelling.
    ///
    /// # Errors
    ///
    /// [`JsonError`] if the value has no JSON form.
    pub fn with<T: Serialize + ?Sized>(self, key: &str, value: &T) -> Result<Self, JsonError> {
        let value = Json::encode(value)?;
        let name = Json::string(key);
        let old = self.members();
        let at = old.0.iter().rposition(|(name, _)| name.is(key));
        let mut members: Vec<(&str, &str)> = Vec::with_capacity(old.0.len() + 1);
        for (index, (name, raw)) in old.0.iter().enumerate() {
            if at == Some(index) {
                members.push((name.as_json(), value.as_str()));
            } else if !name.is(key) {
                members.push((name.as_json(), raw.get()));
            }
        }
        if at.is_none() {
            members.push((name.as_str(), value.as_str()));
        }
        let mut text =
            String::with_capacity(self.as_str().len() + key.len() + value.as_str().len() + 4);
        for (name, raw) in members {
            text.push(if text.is_empty() { '{' } else { ',' });
            text.push_str(name);
            text.push(':');
            text.push_str(raw);
        }
        text.push('}');
        Self::parse(&text)
    }

    /// True if it holds no key.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// The object's text, verbatim; `{}` if it is empty.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_ref().map_or("{}", Json::as_str)
    }

    /// The raw value of `key`; of the last one where a key is repeated.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<Json> {
        let members = self.members();
        let (_, raw) = members.0.iter().rfind(|(name, _)| name.is(key))?;
        Some(Json::from_raw((*raw).to_owned()))
    }

    /// The emitter's own id of the event.
    #[must_use]
    pub fn id(&self) -> Option<String> {
        self.text("id")
    }

    /// The run the event belongs to.
    #[must_use]
    pub fn run_id(&self) -> Option<String> {
        self.text("run_id")
    }

    /// The turn the event belongs to.
    #[must_use]
    pub fn turn_id(&self) -> Option<String> {
        self.text("turn_id")
    }

    /// The tool call the event belongs to.
    #[must_use]
    pub fn tool_call_id(&self) -> Option<String> {
        self.text("tool_call_id")
    }

    /// The program that wrote the event.
    #[must_use]
    pub fn producer(&self) -> Option<String> {
        self.text("producer")
    }

    /// Where the event was imported from.
    #[must_use]
    pub fn source(&self) -> Option<SourceRef> {
        self.get("source")?.decode().ok()
    }

    /// A key's value where it is a string; any other value reads as absent.
    fn text(&self, key: &str) -> Option<String> {
        self.get(key)?.decode().ok()
    }

    fn members(&self) -> Members<'_> {
        self.0
            .as_ref()
            .and_then(|json| json.decode().ok())
            .unwrap_or_default()
    }
}

impl fmt::Debug for Meta {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Meta({})", self.as_str())
    }
}

impl Serialize for Meta {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.0 {
            Some(json) => json.serialize(serializer),
            None => serializer.collect_map::<(), (), [_; 0]>([]),
        }
    }
}

impl<'de> Deserialize<'de> for Meta {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::from_json(Json::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

/// An object's members in the order and spelling in which they stand.
#[derive(Default)]
struct Members<'a>(Vec<(Name<'a>, &'a RawValue)>);

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> serde::de::Visitor<'de> for Visitor {
            type Value = Vec<(Name<'de>, &'de RawValue)>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON object")
            }

            fn visit_map<A: serde::de::MapAccess<'de>>(
                self,
                mut map: A,
            ) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(members)
            }
        }
        deserializer.deserialize_map(Visitor).map(Members)
    }
}

#[cfg(test)]
mod tests;
