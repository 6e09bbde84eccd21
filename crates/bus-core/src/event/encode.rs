//! Events of our own types, written by a fast path.
//!
//! Serde's way out writes each brace, name and comma by itself, and looks at strings byte by byte. What an
//! agent says most is written here instead: what stands between two values as one piece, and strings
//! eight bytes at a time. To the byte it is what serde writes, which is left all other types.

use serde::Serialize;

use super::Event;
use crate::{GraphEvent, JsonError, SessionEvent, TokenDelta, time};

impl Event {
    /// Adds the event's JSON text to `text`: that of [`to_json`](Self::to_json), without memory of its own.
    ///
    /// # Errors
    ///
    /// [`JsonError`] if the event has no JSON form, which is so for none of this version. `text` may have
    /// part of it then.
    pub fn write_json(&self, text: &mut Vec<u8>) -> Result<(), JsonError> {
        match self {
            Self::Session(event) => event.write_json(text),
            Self::Audit(event) => match audit(event, &mut Text(text)) {
                Some(()) => Ok(()),
                None => by_serde(event, text),
            },
            Self::Custom(event) => {
                text.extend_from_slice(event.as_json().as_str().as_bytes());
                Ok(())
            }
        }
    }
}

impl SessionEvent {
    /// Adds the event's JSON text to `text`: see [`Event::write_json`].
    ///
    /// ```
    /// use bus_core::SessionEvent;
    ///
    /// let mut line = b"> ".to_vec();
    /// SessionEvent::TextChunk("hi".into()).write_json(&mut line)?;
    /// assert_eq!(line, br#"> {"type":"session.text_chunk","data":"hi"}"#);
    /// # Ok::<(), bus_core::JsonError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As [`Event::write_json`].
    pub fn write_json(&self, text: &mut Vec<u8>) -> Result<(), JsonError> {
        match session(self, &mut Text(text)) {
            Some(()) => Ok(()),
            None => by_serde(self, text),
        }
    }
}

fn by_serde(event: &impl Serialize, text: &mut Vec<u8>) -> Result<(), JsonError> {
    serde_json::to_writer(text, event).map_err(JsonError)
}

/// Writes an event of which a session has many. `None` if it is another one: nothing is written then.
fn session(event: &SessionEvent, to: &mut Text<'_>) -> Option<()> {
    match event {
        SessionEvent::TextChunk(text) => to
            .string(r#"{"type":"session.text_chunk","data":"#, text)
            .end("}"),
        SessionEvent::TextComplete(text) => to
            .string(r#"{"type":"session.text_complete","data":"#, text)
            .end("}"),
        SessionEvent::ThinkingComplete(text) => to
            .string(r#"{"type":"session.thinking_complete","data":"#, text)
            .end("}"),
        SessionEvent::TokenUsage(TokenDelta {
            source,
            model,
            prompt_tokens,
            completion_tokens,
            duration_ms,
        }) => to
            .piece(r#"{"type":"session.token_usage","data":{"source":""#)
            .piece(source.as_str())
            .string(r#"","model":"#, model)
            .count(r#","prompt_tokens":"#, *prompt_tokens)
            .count(r#","completion_tokens":"#, *completion_tokens)
            .number(r#","duration_ms":"#, *duration_ms)
            .end("}}"),
        SessionEvent::ToolCallStart { name, arguments } => to
            .string(r#"{"type":"session.tool_call_start","data":{"name":"#, name)
            .string(r#","arguments":"#, arguments)
            .end("}}"),
        SessionEvent::ToolCallComplete {
            name,
            output,
            success,
            duration_ms,
        } => to
            .string(
                r#"{"type":"session.tool_call_complete","data":{"name":"#,
                name,
            )
            .string(r#","output":"#, output)
            .piece(if *success {
                r#","success":true"#
            } else {
                r#","success":false"#
            })
            .number(r#","duration_ms":"#, *duration_ms)
            .end("}}"),
        SessionEvent::Thinking => to.end(r#"{"type":"session.thinking"}"#),
        SessionEvent::Done => to.end(r#"{"type":"session.done"}"#),
        _ => return None,
    }
    Some(())
}

/// As [`session`], for what the methods of [`AuditSink`](crate::AuditSink) record.
fn audit(event: &GraphEvent, to: &mut Text<'_>) -> Option<()> {
    let mut place = [0; time::LONGEST];
    let len = time::write(event.timestamp(), &mut place)?;
    let at = std::str::from_utf8(&place[..len]).ok()?;
    match event {
        GraphEvent::SubAgentInvoked {
            agent_id,
            sub_thread_id,
            timestamp: _,
        } => to
            .string(
                r#"{"type":"audit.sub_agent_invoked","data":{"agent_id":"#,
                agent_id,
            )
            .string(r#","sub_thread_id":"#, sub_thread_id),
        GraphEvent::AgentHandoff {
            from,
            to: whom,
            timestamp: _,
        } => match from {
            Some(from) => to.string(r#"{"type":"audit.agent_handoff","data":{"from":"#, from),
            None => to.piece(r#"{"type":"audit.agent_handoff","data":{"from":null"#),
        }
        .string(r#","to":"#, whom),
        GraphEvent::Resumed {
            from_checkpoint,
            timestamp: _,
        } => to.string(
            r#"{"type":"audit.resumed","data":{"from_checkpoint":"#,
            from_checkpoint,
        ),
        GraphEvent::MemoryRecall {
            tier,
            namespace_key,
            hits,
            timestamp: _,
        } => to
            .string(r#"{"type":"audit.memory_recall","data":{"tier":"#, tier)
            .string(r#","namespace_key":"#, namespace_key)
            .count(r#","hits":"#, *hits),
        GraphEvent::ContextCompacted {
            dropped_chars,
            retained_chars,
            timestamp: _,
        } => to
            .count(
                r#"{"type":"audit.context_compacted","data":{"dropped_chars":"#,
                *dropped_chars,
            )
            .count(r#","retained_chars":"#, *retained_chars),
        _ => return None,
    }
    .piece(r#","timestamp":""#)
    .piece(at)
    .end(r#""}}"#);
    Some(())
}

/// JSON text that grows.
struct Text<'t>(&'t mut Vec<u8>);

impl Text<'_> {
    fn piece(&mut self, piece: &str) -> &mut Self {
        self.0.extend_from_slice(piece.as_bytes());
        self
    }

    fn end(&mut self, piece: &str) {
        self.piece(piece);
    }

    /// A string, behind what stands before it.
    fn string(&mut self, before: &str, string: &str) -> &mut Self {
        self.0.reserve(before.len() + string.len() + 2);
        self.piece(before);
        self.0.push(b'"');
        let mut rest = string.as_bytes();
        while let Some((plain, byte, behind)) = at_special(rest) {
            self.0.extend_from_slice(plain);
            self.escape(byte);
            rest = behind;
        }
        self.0.extend_from_slice(rest);
        self.0.push(b'"');
        self
    }

    fn escape(&mut self, byte: u8) {
        let short = match byte {
            0x08 => b'b',
            b'\t' => b't',
            b'\n' => b'n',
            0x0c => b'f',
            b'\r' => b'r',
            b'"' | b'\\' => byte,
            _ => {
                let digit = |n: u8| b"0123456789abcdef"[usize::from(n & 15)];
                let long = [b'\\', b'u', b'0', b'0', digit(byte >> 4), digit(byte)];
                return self.0.extend_from_slice(&long);
            }
        };
        self.0.extend_from_slice(&[b'\\', short]);
    }

    fn count(&mut self, before: &str, number: usize) -> &mut Self {
        self.number(before, number as u64)
    }

    fn number(&mut self, before: &str, mut number: u64) -> &mut Self {
        self.piece(before);
        let mut digits = [0; 20];
        let mut start = digits.len();
        loop {
            start -= 1;
            digits[start] = b'0' + (number % 10) as u8;
            number /= 10;
            if number == 0 {
                break;
            }
        }
        self.0.extend_from_slice(&digits[start..]);
        self
    }
}

/// What stands before the first byte that is written as an escape, that byte, and what stands behind it.
fn at_special(bytes: &[u8]) -> Option<(&[u8], u8, &[u8])> {
    let (words, rest) = bytes.as_chunks::<8>();
    for (n, word) in words.iter().enumerate() {
        let special = specials(u64::from_le_bytes(*word));
        if special != 0 {
            return split(bytes, 8 * n + special.trailing_zeros() as usize / 8);
        }
    }
    let first = rest.iter().position(|byte| is_special(*byte))?;
    split(bytes, 8 * words.len() + first)
}

fn split(bytes: &[u8], at: usize) -> Option<(&[u8], u8, &[u8])> {
    let (plain, behind) = bytes.split_at_checked(at)?;
    let (byte, behind) = behind.split_first()?;
    Some((plain, *byte, behind))
}

const fn is_special(byte: u8) -> bool {
    byte < b' ' || byte == b'"' || byte == b'\\'
}

/// The high bit of each byte that is written as an escape. Bits above the lowest that is set may be wrong:
/// a subtraction borrows from the byte above it.
const fn specials(word: u64) -> u64 {
    const ONES: u64 = u64::from_ne_bytes([1; 8]);
    const HIGH: u64 = ONES << 7;
    let quote = word ^ (ONES * b'"' as u64);
    let backslash = word ^ (ONES * b'\\' as u64);
    let control = word.wrapping_sub(ONES * b' ' as u64) & !word;
    let quote = quote.wrapping_sub(ONES) & !quote;
    let backslash = backslash.wrapping_sub(ONES) & !backslash;
    (control | quote | backslash) & HIGH
}

#[cfg(test)]
mod tests;
