//! Records of the user's role: prompts, results of tools, interruptions, and what the program says.

use std::borrow::Cow;

use bus_core::{ContentPart, ImageSource, Json, SessionEvent};

use super::{Claude, Record, threads};
use crate::calls::Answer;
use crate::limit::{Room, cap, cap_id, cap_json};
use crate::out::Out;
use crate::raw::{each, each_block, get, get_text, is_true, pick, text, uint};

const INTERRUPTED: &str = "[Request interrupted by user";
const NOTIFICATION: &str = "<task-notification>";

impl Claude {
    pub(super) fn user(&mut self, record: &Record<'_>, out: &mut Out) -> &'static str {
        let content = record.message.content;
        let mut results = 0;
        let left = each_block(content, |block| {
            if kind(block).as_deref() == Some("tool_result") {
                results += 1;
                self.result(record, block, out);
            }
        });
        out.left_out(record.thread, left);
        let said = said(content);
        if said.starts_with(INTERRUPTED) {
            self.calls
                .interrupted(out, record.thread, Json::string(&said));
            return "interrupted";
        }
        if results > 0 {
            return "tool_result";
        }
        if record.is_summary {
            return "compact_summary";
        }
        if record.is_meta {
            return "meta";
        }
        if record.is_sidechain {
            let name = out.thread_name(record.thread);
            let session = self.session_of(record);
            out.handoff(record.thread, Some(&session), threads::agent_of(&name));
            out.emit(record.thread, SessionEvent::Thinking);
            return "prompt";
        }
        notified(record, &said, out);
        out.user(record.thread, parts(content));
        "prompt"
    }

    fn result(&mut self, record: &Record<'_>, block: &str, out: &mut Out) {
        let [id, content, is_error] = pick(block, ["tool_use_id", "content", "is_error"]);
        let id = text(id).unwrap_or_default();
        let details = record.tool_result;
        let [agent, took] = details.map_or([None; 2], |d| pick(d, ["agentId", "totalDurationMs"]));
        if let Some(agent) = text(agent) {
            let thread = threads::sub_thread(&self.session_of(record), &agent);
            self.invoked(&agent, &thread, record.thread, out);
        }
        let answer = Answer {
            output: output(content),
            success: Some(!is_true(is_error)),
            duration_ms: uint(took),
        };
        self.calls.answered(out, record.thread, &id, answer);
    }
}

/// A background agent that says it is done.
pub(super) fn notified(record: &Record<'_>, said: &str, out: &mut Out) {
    if let Some(notice) = said.trim_start().strip_prefix(NOTIFICATION) {
        let task = notice
            .split_once("<task-id>")
            .and_then(|(_, rest)| rest.split_once("</task-id>"))
            .map(|(task, _)| task.trim());
        out.handoff(record.thread, task, &out.thread_name(record.thread));
    }
}

pub(super) fn kind(block: &str) -> Option<Cow<'_, str>> {
    get_text(Some(block), "type")
}

/// The text of a message: a string, or its text blocks one below the other.
pub(super) fn said(content: Option<&str>) -> Cow<'_, str> {
    if let Some(text) = text(content) {
        return text;
    }
    let mut all = String::new();
    each(content, |block| {
        let [kind, said] = pick(block, ["type", "text"]);
        if text(kind).as_deref() == Some("text")
            && let Some(text) = text(said)
        {
            if !all.is_empty() {
                all.push('\n');
            }
            all.push_str(&text);
        }
    });
    Cow::Owned(all)
}

/// True if a message has a text, and no tool's call or result.
pub(super) fn is_text(content: Option<&str>) -> bool {
    if content.is_some_and(|content| content.starts_with('"')) {
        return true;
    }
    let (mut texts, mut tools) = (false, false);
    each(content, |block| match kind(block).as_deref() {
        Some("text") => texts = true,
        Some("tool_use" | "tool_result") => tools = true,
        _ => {}
    });
    texts && !tools
}

fn parts(content: Option<&str>) -> Vec<ContentPart> {
    let mut room = Room::default();
    if let Some(text) = text(content) {
        return vec![ContentPart::Text(room.take(&text))];
    }
    let mut parts = Vec::new();
    each_block(content, |block| {
        if room.is_full() {
            return;
        }
        parts.push(match kind(block).as_deref() {
            Some("text") => {
                let text = get_text(Some(block), "text").unwrap_or_default();
                ContentPart::Text(room.take(&text))
            }
            Some("image" | "document") => ContentPart::Image(omitted(block)),
            _ => {
                let json = cap_json(block);
                // Taken for its size only: what it holds is verbatim.
                room.take(json.as_str());
                ContentPart::Other(json)
            }
        });
    });
    parts
}

fn omitted(block: &str) -> ImageSource {
    let source = get(Some(block), "source");
    let [media, data, url] = source.map_or([None; 3], |s| pick(s, ["media_type", "data", "url"]));
    match text(url) {
        Some(url) => ImageSource::Url(cap_id(&url)),
        None => ImageSource::Omitted {
            media_type: cap_id(&text(media).unwrap_or_default()),
            // Without the quotes.
            bytes: data.map_or(0, |data| data.len().saturating_sub(2) as u64),
        },
    }
}

/// What a tool returned, as text; what is no text, by what it was and how large.
fn output(content: Option<&str>) -> String {
    if let Some(text) = text(content) {
        return cap(&text);
    }
    let mut all = String::new();
    each(content, |block| {
        if !all.is_empty() {
            all.push('\n');
        }
        let [kind, said] = pick(block, ["type", "text"]);
        match (text(kind).as_deref(), text(said)) {
            (_, Some(text)) => all.push_str(&text),
            (Some("image" | "document"), None) => {
                if let ImageSource::Omitted { media_type, bytes } = omitted(block) {
                    all.push_str(&format!("[{media_type}, {bytes} bytes, left out]"));
                }
            }
            _ => all.push_str(block),
        }
    });
    cap(&all)
}
