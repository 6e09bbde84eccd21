//! Events that are not ours.

use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{Parts, is_reserved};
use crate::{Json, JsonError};

/// An event of a framework's own, or one that this version does not know, kept verbatim.
///
/// It holds the whole event as JSON text: whatever stood beside `type` and `data` is kept too.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct CustomEvent {
    kind: Arc<str>,
    json: Json,
}

impl CustomEvent {
    /// An event of your own, such as `acme.plan_changed`.
    ///
    /// # Errors
    ///
    /// [`InvalidEventType`] if the type is empty or begins with `session.` or `audit.`, which are
    /// read as something else.
    pub fn new(kind: &str, data: impl Into<Option<Json>>) -> Result<Self, InvalidEventType> {
        if kind.is_empty() {
            return Err(InvalidEventType::Empty);
        }
        if is_reserved(kind) {
            return Err(InvalidEventType::Reserved(kind.to_owned()));
        }
        let name = Json::string(kind);
        let text = match data.into() {
            Some(data) => format!(r#"{{"type":{name},"data":{data}}}"#),
            None => format!(r#"{{"type":{name}}}"#),
        };
        match Json::parse(&text) {
            Ok(json) => Ok(Self {
                kind: kind.into(),
                json,
            }),
            Err(error) => unreachable!("two JSON values in an object are JSON: {error}"),
        }
    }

    /// Takes any event's JSON text as it is, *also of a type of ours*: for what moves events without
    /// reading them. Written to a log and read back, an event of a known type is typed again.
    ///
    /// # Errors
    ///
    /// [`JsonError`] if it is not an object with a string `type`.
    pub fn from_json(json: Json) -> Result<Self, JsonError> {
        let parts: Parts<'_> = json.decode()?;
        Ok(Self {
            kind: parts.kind.as_ref().into(),
            json,
        })
    }

    /// The `type`, with its escapes resolved.
    #[must_use]
    pub fn event_type(&self) -> &str {
        &self.kind
    }

    /// The `data`, verbatim, if there is any; `null` is some.
    #[must_use]
    pub fn data(&self) -> Option<Json> {
        let parts: Parts<'_> = self.json.decode().ok()?;
        parts.data.map(|raw| Json::from_raw(raw.to_owned()))
    }

    /// The whole event, verbatim.
    #[must_use]
    pub const fn as_json(&self) -> &Json {
        &self.json
    }
}

impl Serialize for CustomEvent {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.json.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for CustomEvent {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::from_json(Json::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

/// Why a type can't be a custom event's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidEventType {
    /// It was empty.
    #[error("event type is empty")]
    Empty,
    /// It began with a prefix of ours.
    #[error("event type begins with a reserved prefix: {0}")]
    Reserved(String),
}
