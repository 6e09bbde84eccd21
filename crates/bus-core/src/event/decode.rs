//! Events of our own types, read by a fast path.
//!
//! Serde's way in takes an object's members in any order, so for each event it looks names up that we
//! always write in the same places. A replay is mostly that: so what an agent says most is read by
//! its type and the extent of its data, and serde reads the data only.

use serde::Deserialize;

use super::{AUDIT_PREFIX, Event, SESSION_PREFIX};
use crate::SessionEvent;

/// The event of type `kind` that `text` is, if it is one that this version knows.
///
/// `text` begins with `{"type":"` and `kind`.
pub(super) fn decode(kind: &str, text: &str) -> Option<Event> {
    if kind.starts_with(SESSION_PREFIX) {
        fast_path(kind, text)
            .or_else(|| serde_json::from_str(text).ok())
            .map(Event::Session)
    } else if kind.starts_with(AUDIT_PREFIX) {
        serde_json::from_str(text).ok().map(Event::Audit)
    } else {
        None
    }
}

/// Reads `{"type":"…","data":…}`, for the types of which a session has many. `None` says nothing: it
/// may be written in another way, or not be such an event at all.
fn fast_path(kind: &str, text: &str) -> Option<SessionEvent> {
    let data = text
        .get(r#"{"type":""#.len() + kind.len()..)?
        .strip_prefix(r#"","data":"#)?
        .strip_suffix('}')?;
    // What reads as exactly one value leaves no room for another member.
    Some(match kind {
        "session.text_chunk" => SessionEvent::TextChunk(string(data)?),
        "session.text_complete" => SessionEvent::TextComplete(string(data)?),
        "session.thinking_complete" => SessionEvent::ThinkingComplete(string(data)?),
        "session.token_usage" => SessionEvent::TokenUsage(value(data)?),
        "session.tool_call_start" => {
            let ToolCallStart { name, arguments } = value(data)?;
            SessionEvent::ToolCallStart { name, arguments }
        }
        "session.tool_call_complete" => {
            let ToolCallComplete {
                name,
                output,
                success,
                duration_ms,
            } = value(data)?;
            SessionEvent::ToolCallComplete {
                name,
                output,
                success,
                duration_ms,
            }
        }
        _ => return None,
    })
}

fn value<'a, T: Deserialize<'a>>(data: &'a str) -> Option<T> {
    serde_json::from_str(data).ok()
}

/// A string. One without escapes is what stands between its quotes.
fn string(data: &str) -> Option<String> {
    let inner = data.strip_prefix('"')?.strip_suffix('"')?;
    // Told for all bytes and not up to the first, so that many are looked at at once.
    let plain = inner.bytes().fold(true, |plain, byte| {
        plain & (byte >= b' ') & (byte != b'"') & (byte != b'\\')
    });
    if plain {
        Some(inner.to_owned())
    } else {
        value(data)
    }
}

#[derive(Deserialize)]
struct ToolCallStart {
    name: String,
    arguments: String,
}

#[derive(Deserialize)]
struct ToolCallComplete {
    name: String,
    output: String,
    success: bool,
    duration_ms: u64,
}

#[cfg(test)]
mod tests;
