//! Events of our own types, read by a fast path.
//!
//! Serde's way in takes an object's members in any order, so for each event it looks names up that we
//! always write in the same places. A replay is mostly that: so what an agent says most is read as we
//! write it, what stands between two values as one piece. Whatever differs is left to serde.

use memchr::memchr;
use serde::Deserialize;

use super::{AUDIT_PREFIX, Event, SESSION_PREFIX};
use crate::{SessionEvent, TokenDelta, TokenSource};

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
        "session.token_usage" => SessionEvent::TokenUsage(usage(data)?),
        "session.tool_call_start" => {
            let ToolCallStart { name, arguments } = value(data)?;
            SessionEvent::ToolCallStart { name, arguments }
        }
        "session.tool_call_complete" => tool_call_complete(data)?,
        _ => return None,
    })
}

fn value<'a, T: Deserialize<'a>>(data: &'a str) -> Option<T> {
    serde_json::from_str(data).ok()
}

fn usage(data: &str) -> Option<TokenDelta> {
    let (source, rest) = data.strip_prefix(r#"{"source":""#)?.split_once('"')?;
    let source = [
        TokenSource::Root,
        TokenSource::RlmIteration,
        TokenSource::RlmSubcall,
        TokenSource::ToolEmbedded,
    ]
    .into_iter()
    .find(|known| known.as_str() == source)?;
    let (model, rest) = leading_string(rest.strip_prefix(r#","model":"#)?)?;
    let (prompt_tokens, rest) = leading_number(rest.strip_prefix(r#","prompt_tokens":"#)?)?;
    let (completion_tokens, rest) = leading_number(rest.strip_prefix(r#","completion_tokens":"#)?)?;
    let (duration_ms, rest) = leading_number(rest.strip_prefix(r#","duration_ms":"#)?)?;
    (rest == "}").then_some(TokenDelta {
        source,
        model,
        prompt_tokens: prompt_tokens.try_into().ok()?,
        completion_tokens: completion_tokens.try_into().ok()?,
        duration_ms,
    })
}

fn tool_call_complete(data: &str) -> Option<SessionEvent> {
    let (name, rest) = leading_string(data.strip_prefix(r#"{"name":"#)?)?;
    let (output, rest) = leading_string(rest.strip_prefix(r#","output":"#)?)?;
    let rest = rest.strip_prefix(r#","success":"#)?;
    let (success, rest) = match rest.strip_prefix("true") {
        Some(rest) => (true, rest),
        None => (false, rest.strip_prefix("false")?),
    };
    let (duration_ms, rest) = leading_number(rest.strip_prefix(r#","duration_ms":"#)?)?;
    (rest == "}").then_some(SessionEvent::ToolCallComplete {
        name,
        output,
        success,
        duration_ms,
    })
}

/// A string. One without escapes is what stands between its quotes.
fn string(data: &str) -> Option<String> {
    let inner = data.strip_prefix('"')?.strip_suffix('"')?;
    // Told for all bytes and not up to the first, so that many are looked at at once.
    let plain = inner.bytes().fold(true, |plain, byte| {
        plain & (byte >= b' ') & (byte != b'"') & (byte != b'\\')
    });
    if plain {
        return Some(inner.to_owned());
    }
    match leading_string(data) {
        Some((text, "")) => Some(text),
        _ => value(data),
    }
}

/// The string that a text begins with, and what comes behind it. `None` also for escapes that we do not
/// write for text as people and programs have it.
fn leading_string(text: &str) -> Option<(String, &str)> {
    let text = text.strip_prefix('"')?;
    let (inner, rest) = text.split_at(end_of_string(text.as_bytes())?);
    let allowed = inner.bytes().fold(true, |all, byte| all & (byte >= b' '));
    if !allowed {
        return None;
    }
    Some((unescaped(inner)?, &rest[1..]))
}

/// Where the first quote stands that is not escaped.
fn end_of_string(bytes: &[u8]) -> Option<usize> {
    let mut from = 0;
    loop {
        let quote = from + memchr(b'"', &bytes[from..])?;
        let before = bytes[from..quote].iter().rev();
        let backslashes = before.take_while(|byte| **byte == b'\\').count();
        if backslashes % 2 == 0 {
            return Some(quote);
        }
        from = quote + 1;
    }
}

/// What a string without bare quotes stands for.
fn unescaped(mut inner: &str) -> Option<String> {
    let Some(mut escape) = memchr(b'\\', inner.as_bytes()) else {
        return Some(inner.to_owned());
    };
    let mut text = String::with_capacity(inner.len());
    loop {
        text.push_str(&inner[..escape]);
        text.push(match inner.as_bytes().get(escape + 1)? {
            b'n' => '\n',
            b't' => '\t',
            b'r' => '\r',
            b'"' => '"',
            b'\\' => '\\',
            _ => return None,
        });
        inner = &inner[escape + 2..];
        match memchr(b'\\', inner.as_bytes()) {
            Some(next) => escape = next,
            None => break,
        }
    }
    text.push_str(inner);
    Some(text)
}

/// The number that a text begins with, and what comes behind it.
fn leading_number(text: &str) -> Option<(u64, &str)> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (digits, rest) = text.split_at(digits);
    // JSON has no 007.
    let canonical = digits.len() == 1 || !digits.starts_with('0');
    let number = digits.parse().ok().filter(|_| canonical)?;
    Some((number, rest))
}

#[derive(Deserialize)]
struct ToolCallStart {
    name: String,
    arguments: String,
}

#[cfg(test)]
mod tests;
