//! The unit of the log.

#[cfg(test)]
pub(crate) mod arbitrary;
mod custom;
mod decode;
mod encode;
#[cfg(test)]
pub(crate) mod examples;
mod parts;

use memchr::memchr2;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;

use crate::{GraphEvent, Json, JsonError, SessionEvent};

use parts::Parts;

pub use custom::{CustomEvent, InvalidEventType};

/// What a log holds and a bus carries: a session event, an audit event, or a custom one.
///
/// # On the wire
///
/// `{"type":"session.token_usage","data":{…}}`, where `session.` and `audit.` are ours and every
/// other type is custom. `type` is written before `data`, so that no reader has to buffer; either
/// order is read. A newtype variant's data is the bare value, a unit variant has none.
///
/// Reading never fails for being younger than the writer: an unknown type, and a known type whose
/// data does not decode, become [`Custom`](Self::Custom) with their raw bytes, which are passed on
/// verbatim. Unknown members of known types are ignored.
///
/// Read it with serde_json directly, never inside `flatten`, `untagged` or internally tagged types:
/// serde buffers those, and raw JSON can't be read from a buffer.
///
/// ```
/// use bus_core::{Event, SessionEvent};
///
/// let event = Event::parse(r#"{"type":"session.text_chunk","data":"hi"}"#)?;
/// assert_eq!(event, Event::from(SessionEvent::TextChunk("hi".into())));
///
/// let newer = r#"{"type":"session.from_tomorrow","data":0.10}"#;
/// assert_eq!(Event::parse(newer)?.to_json().as_str(), newer);
/// # Ok::<(), bus_core::JsonError>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Event {
    /// What a session says while it runs.
    Session(SessionEvent),
    /// A record of the audit trail.
    Audit(GraphEvent),
    /// Anything else, verbatim.
    Custom(CustomEvent),
}

impl Event {
    /// Reads an event from its JSON text.
    ///
    /// # Errors
    ///
    /// [`JsonError`] if the text is not a JSON object with a string `type`. Whatever has one is an
    /// event; the last one, where it has several.
    pub fn parse(text: &str) -> Result<Self, JsonError> {
        let text = text.trim_matches([' ', '\t', '\n', '\r']);
        match peek_leading_type(text) {
            Some(kind) => match decode::decode(kind, text) {
                Some(event) => Ok(event),
                None => CustomEvent::from_json(Json::parse(text)?).map(Self::Custom),
            },
            None => Self::parse_any_order(text),
        }
    }

    /// Reads an event whose `type` is not the first member, or is spelt with escapes.
    fn parse_any_order(text: &str) -> Result<Self, JsonError> {
        let json = Json::parse(text)?;
        let parts: Parts<'_> = json.decode()?;
        if is_reserved(&parts.kind) && !parts.repeated {
            // Serde would buffer `data` until it has seen `type`, and raw JSON can't be read from
            // its buffer: put the two in our order first.
            let kind = Json::string(&parts.kind);
            let ordered = match parts.data {
                Some(data) => format!(r#"{{"type":{kind},"data":{data}}}"#),
                None => format!(r#"{{"type":{kind}}}"#),
            };
            if let Some(event) = decode::decode(&parts.kind, &ordered) {
                return Ok(event);
            }
        }
        CustomEvent::from_json(json).map(Self::Custom)
    }

    /// The event as JSON text: what [`parse`](Self::parse) reads. A custom event's is verbatim.
    #[must_use]
    pub fn to_json(&self) -> Json {
        match self {
            Self::Custom(event) => event.as_json().clone(),
            // Our own types hold no map with keys that are not strings, which is all that can fail.
            Self::Session(event) => Json::encode(event).unwrap_or_else(|_| Json::null()),
            Self::Audit(event) => Json::encode(event).unwrap_or_else(|_| Json::null()),
        }
    }

    /// The `type` on the wire.
    #[must_use]
    pub fn event_type(&self) -> &str {
        match self {
            Self::Session(event) => event.event_type(),
            Self::Audit(event) => event.event_type(),
            Self::Custom(event) => event.event_type(),
        }
    }

    /// The session event, if it is one.
    #[must_use]
    pub const fn as_session(&self) -> Option<&SessionEvent> {
        match self {
            Self::Session(event) => Some(event),
            _ => None,
        }
    }

    /// The audit event, if it is one.
    #[must_use]
    pub const fn as_audit(&self) -> Option<&GraphEvent> {
        match self {
            Self::Audit(event) => Some(event),
            _ => None,
        }
    }

    /// The custom event, if it is one.
    #[must_use]
    pub const fn as_custom(&self) -> Option<&CustomEvent> {
        match self {
            Self::Custom(event) => Some(event),
            _ => None,
        }
    }

    /// The event as sinks write it: see [`SessionEvent::without_messages`].
    #[must_use]
    pub fn without_messages(self) -> Self {
        match self {
            Self::Session(event) => Self::Session(event.without_messages()),
            other => other,
        }
    }
}

const SESSION_PREFIX: &str = "session.";
const AUDIT_PREFIX: &str = "audit.";

/// True for types that are ours, known to this version or not.
fn is_reserved(kind: &str) -> bool {
    kind.starts_with(SESSION_PREFIX) || kind.starts_with(AUDIT_PREFIX)
}

/// The type, where it is the first member, written without white space or escapes: as we write it.
fn peek_leading_type(text: &str) -> Option<&str> {
    let rest = text.strip_prefix(r#"{"type":""#)?;
    let end = memchr2(b'"', b'\\', rest.as_bytes())?;
    let (kind, rest) = rest.split_at(end);
    rest.starts_with('"').then_some(kind)
}

impl From<SessionEvent> for Event {
    fn from(event: SessionEvent) -> Self {
        Self::Session(event)
    }
}

impl From<GraphEvent> for Event {
    fn from(event: GraphEvent) -> Self {
        Self::Audit(event)
    }
}

impl From<CustomEvent> for Event {
    fn from(event: CustomEvent) -> Self {
        Self::Custom(event)
    }
}

impl Serialize for Event {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Session(event) => event.serialize(serializer),
            Self::Audit(event) => event.serialize(serializer),
            Self::Custom(event) => event.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Event {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = Box::<RawValue>::deserialize(deserializer)?;
        Self::parse(raw.get()).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests;
