//! Recognising an event again.

use bus_core::{Event, Meta};
use chrono::{DateTime, Utc};

use crate::recent::hash;

/// A hash of what an event is, whatever file and line it was read from.
///
/// Two copies of a session, or two parts cut out of it, give events with equal fingerprints where they
/// have the same records. It is the same in one build of the program only: don't keep it.
///
/// ```
/// use bus_core::{Meta, SessionEvent};
/// use bus_import::fingerprint;
///
/// let here = Meta::parse(r#"{"source":{"file":"a.jsonl","line":1,"record":"r"}}"#)?;
/// let there = Meta::parse(r#"{"source":{"file":"b.jsonl","line":7,"record":"r"}}"#)?;
/// let (at, event) = (chrono::Utc::now(), SessionEvent::Done.into());
/// assert_eq!(fingerprint(&at, &here, &event), fingerprint(&at, &there, &event));
/// # Ok::<(), bus_core::JsonError>(())
/// ```
#[must_use]
pub fn fingerprint(at: &DateTime<Utc>, meta: &Meta, event: &Event) -> u64 {
    let record = meta.source().and_then(|source| source.record);
    let known = (meta.tool_call_id(), record);
    hash((at.timestamp_micros(), known, event.to_json()))
}
