//! The shapes of `--json` that several commands share.

use bus_log::{DateTime, Event, Json, Meta, Recorded, Utc};
use serde::Serialize;

/// An event as `show` and `tail` write it. Its data is verbatim where the event was read raw.
#[derive(Serialize)]
pub(crate) struct EventLine<'a> {
    ordinal: u64,
    at: DateTime<Utc>,
    #[serde(rename = "type")]
    kind: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<Json>,
    #[serde(skip_serializing_if = "Option::is_none")]
    meta: Option<&'a Meta>,
}

impl<'a> EventLine<'a> {
    /// The line of an event that was read by `read_raw`.
    pub(crate) fn new(recorded: &'a Recorded) -> Self {
        let data = recorded
            .event
            .as_custom()
            .and_then(bus_log::CustomEvent::data);
        Self {
            ordinal: recorded.ordinal,
            at: recorded.at,
            kind: recorded.event.event_type(),
            data,
            meta: Some(&recorded.meta).filter(|meta| !meta.is_empty()),
        }
    }
}

/// An event that was read raw, typed again where this version knows its type.
pub(crate) fn typed(raw: &Event) -> anyhow::Result<Event> {
    Ok(Event::parse(raw.to_json().as_str())?)
}
