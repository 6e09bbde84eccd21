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

/// As many pieces of a file tell nothing before it counts as not recognised.
const MAX_PIECES: usize = 1000;

/// As much of a file is read before it counts as not recognised: a record can be long.
const MAX_BYTES: u64 = crate::MAX_RECORD_BYTES as u64;

/// Finds the format by the content: by the first record that is one of a known kind. `None` for
/// anything else.
///
/// # Errors
///
/// Those of the reader.
pub fn detect(reader: &mut impl BufRead) -> io::Result<Option<Format>> {
    let mut scanner = Scanner::new(reader.take(MAX_BYTES), |text| format_of(text).is_some());
    for _ in 0..MAX_PIECES {
        match scanner.next_piece()? {
            Some(Piece::Record { text, .. }) => {
                if let Some(format) = format_of(&text) {
                    return Ok(Some(format));
                }
            }
            Some(Piece::Damaged { .. }) => {}
            None => break,
        }
    }
    Ok(None)
}

/// Says whether an object is a whole record of a format, and not a part of one.
pub(crate) fn is_record(format: Format) -> fn(&str) -> bool {
    match format {
        Format::ClaudeCode => is_claude,
        Format::Codex | Format::CodexLegacy => |text| is_codex(text) || is_legacy(text),
    }
}

fn format_of(record: &str) -> Option<Format> {
    if is_codex(record) {
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
    let [kind, state, id, timestamp, instructions, git, role, call_id] = pick(
        record,
        [
            "type",
            "record_type",
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
            state == Some(r#""state""#)
                || (text(id).is_some()
                    && text(timestamp).is_some()
                    && (instructions.is_some()
                        || git.is_some()
                        || record.contains(r#""instructions""#)))
        }
        Some("message") => {
            role.is_some() && get(Some(record), "content").is_some_and(|c| c.starts_with('['))
        }
        Some("reasoning") => get(Some(record), "summary").is_some(),
        Some("function_call" | "function_call_output") => call_id.is_some(),
        _ => false,
    }
}

fn is_claude(record: &str) -> bool {
    let [kind, session, uuid, parent, leaf, message_id, snapshot] = pick(
        record,
        [
            "type",
            "sessionId",
            "uuid",
            "parentUuid",
            "leafUuid",
            "messageId",
            "snapshot",
        ],
    );
    let Some(kind) = text(kind) else { return false };
    match &*kind {
        "user" | "assistant" => {
            get(Some(record), "message").is_some()
                && (session.is_some() || uuid.is_some() || parent.is_some())
        }
        "summary" => leaf.is_some() || get(Some(record), "summary").is_some(),
        "file-history-snapshot" => message_id.is_some() || snapshot.is_some(),
        "file-history-delta" => true,
        _ => session.is_some() && get(Some(record), "payload").is_none(),
    }
}
