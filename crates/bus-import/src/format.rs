//! Telling the formats apart.

use std::io::{self, BufRead, Read};

use serde::Serialize;

use crate::raw::{get, pick, text};
use crate::scan::{Piece, Scanner};

/// A format of transcripts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Format {
    /// A Codex rollout: each line in an envelope.
    Codex,
    /// A Codex rollout from before there was an envelope (until about September 2025).
    CodexLegacy,
    /// A Claude Code transcript.
    ClaudeCode,
}

impl Format {
    /// `codex`, `codex-legacy` or `claude-code`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Codex => "codex",
            Self::CodexLegacy => "codex-legacy",
            Self::ClaudeCode => "claude-code",
        }
    }
}

/// As many records of a file tell nothing before it counts as not recognised.
const MAX_RECORDS: usize = 1000;

/// As many lines before the first record are damaged before the file counts as not recognised: a text
/// can quote a record.
const MAX_DAMAGED: usize = 16;

/// As much of a file is read before it counts as not recognised: a record can be long.
const MAX_BYTES: u64 = crate::MAX_RECORD_BYTES as u64;

/// Finds the format by the content: by the first record that is one of a known kind. `None` for
/// anything else.
///
/// # Errors
///
/// Those of the reader.
pub fn detect(reader: &mut impl BufRead) -> io::Result<Option<Format>> {
    // Nothing is saved from damaged lines here: what they hold may be prose that quotes a record.
    let mut scanner = Scanner::new(reader.take(MAX_BYTES), |_| false);
    let (mut records, mut damaged) = (0, 0);
    while records < MAX_RECORDS && damaged < MAX_DAMAGED {
        match scanner.next_piece()? {
            Some(Piece::Record { text, .. }) => {
                records += 1;
                if let Some(format) = format_of(&text) {
                    return Ok(Some(format));
                }
            }
            Some(Piece::Damaged { .. }) => damaged += 1,
            None => break,
        }
    }
    Ok(None)
}

/// True if there is nothing but the beginning of a first record, or not even that: what it will be is
/// not known yet.
pub(crate) fn is_waiting(reader: &mut impl BufRead) -> io::Result<bool> {
    let mut scanner = Scanner::new(reader.take(MAX_BYTES), |_| false);
    Ok(scanner.next_piece()?.is_none() && scanner.is_undamaged())
}

/// Says whether an object is a whole record of a format, and not a part of one.
pub(crate) fn is_record(format: Format) -> fn(&str) -> bool {
    match format {
        Format::ClaudeCode => is_whole_claude,
        // What stands in an envelope has the form of an old record.
        Format::Codex => is_codex,
        Format::CodexLegacy => |text| is_codex(text) || is_legacy(text) || is_state(text),
    }
}

/// Types that Codex writes. Others read an envelope of the same shape as their own.
const CODEX_TYPES: [&str; 11] = [
    "session_meta",
    "response_item",
    "event_msg",
    "turn_context",
    "compacted",
    "world_state",
    "inter_agent_communication",
    "inter_agent_communication_metadata",
    "token_usage_record",
    "retained_context",
    "security_risk_score",
];

/// Types that Claude Code writes beside messages, with the session's id.
const CLAUDE_TYPES: [&str; 13] = [
    "system",
    "attachment",
    "progress",
    "queue-operation",
    "last-prompt",
    "ai-title",
    "custom-title",
    "mode",
    "permission-mode",
    "pr-link",
    "agent-name",
    "agent-setting",
    "atis-latch",
];

fn format_of(record: &str) -> Option<Format> {
    let kind = text(get(Some(record), "type"));
    let is_codex_type = kind.is_some_and(|kind| CODEX_TYPES.contains(&&*kind));
    if is_codex_type && is_codex(record) {
        Some(Format::Codex)
    } else if is_claude(record) {
        Some(Format::ClaudeCode)
    } else if is_legacy(record) {
        Some(Format::CodexLegacy)
    } else {
        None
    }
}

fn is_codex(record: &str) -> bool {
    let [kind, payload, timestamp] = pick(record, ["type", "payload", "timestamp"]);
    let Some(kind) = text(kind) else { return false };
    payload.is_some_and(|payload| payload.starts_with('{'))
        && timestamp.is_some()
        && kind.bytes().all(|b| b.is_ascii_lowercase() || b == b'_')
}

fn is_legacy(record: &str) -> bool {
    let [kind, id, timestamp, instructions, git, role, call_id] = pick(
        record,
        [
            "type",
            "id",
            "timestamp",
            "instructions",
            "git",
            "role",
            "call_id",
        ],
    );
    match text(kind).as_deref() {
        // A header's instructions can be null, which reads as absent: the key decides.
        None if kind.is_none() => {
            text(id).is_some()
                && text(timestamp).is_some()
                && (instructions.is_some() || git.is_some() || record.contains(r#""instructions""#))
        }
        Some("message") => {
            role.is_some() && get(Some(record), "content").is_some_and(|c| c.starts_with('['))
        }
        Some("reasoning") => get(Some(record), "summary").is_some(),
        Some("function_call" | "function_call_output") => call_id.is_some(),
        _ => false,
    }
}

/// A marker of the oldest form, which says nothing.
fn is_state(record: &str) -> bool {
    get(Some(record), "record_type").is_some()
}

/// A record that is no message of a sub-agent inside a progress record: those have no session.
fn is_whole_claude(record: &str) -> bool {
    let [session, parent, message] = pick(record, ["sessionId", "parentUuid", "message"]);
    is_claude(record) && (message.is_none() || session.is_some() || parent.is_some())
}

fn is_claude(record: &str) -> bool {
    let [kind, session, uuid, parent, leaf, message_id, message] = pick(
        record,
        [
            "type",
            "sessionId",
            "uuid",
            "parentUuid",
            "leafUuid",
            "messageId",
            "message",
        ],
    );
    let Some(kind) = text(kind) else { return false };
    match &*kind {
        "user" | "assistant" => {
            message.is_some() && (session.is_some() || uuid.is_some() || parent.is_some())
        }
        "summary" => leaf.is_some(),
        "file-history-snapshot" | "file-history-delta" => message_id.is_some() || session.is_some(),
        kind => session.is_some() && CLAUDE_TYPES.contains(&kind),
    }
}

#[cfg(test)]
mod tests;
