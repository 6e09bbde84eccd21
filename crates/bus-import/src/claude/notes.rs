//! What stands between the messages: system records, attachments, progress.

use std::borrow::Cow;

use bus_core::{GraphEvent, SessionEvent};

use super::{Claude, Record, threads, user};
use crate::limit::cap;
use crate::out::{Compaction, Out, count};
use crate::raw::{get, get_text, pick, text, uint};

impl Claude {
    pub(super) fn system<'a>(&mut self, record: &Record<'a>, out: &mut Out) -> Cow<'a, str> {
        let subtype = get_text(Some(record.raw), "subtype").unwrap_or_default();
        match &*subtype {
            "api_error" => api_error(record, out),
            "compact_boundary" => self.compacted(record, out),
            "turn_duration" => {
                self.calls.cancel(out, record.thread, "no result");
                let turn = self.turns.remove(&record.thread).unwrap_or_default();
                let duration_ms = uint(get(Some(record.raw), "durationMs")).unwrap_or(0);
                out.emit(
                    record.thread,
                    SessionEvent::UsageReport {
                        prompt_tokens: count(turn.prompt),
                        completion_tokens: count(turn.completion),
                        duration_ms,
                        model: turn.model,
                    },
                );
                out.emit(record.thread, SessionEvent::Done);
            }
            _ => {}
        }
        subtype
    }

    fn compacted(&self, record: &Record<'_>, out: &mut Out) {
        let details = get(Some(record.raw), "compactMetadata");
        let [trigger, before] = details.map_or([None; 2], |d| pick(d, ["trigger", "preTokens"]));
        let before_tokens = uint(before).unwrap_or(0);
        if before_tokens > 0 {
            let turn = self.turns.get(&record.thread);
            let model = turn.map_or("", |turn| turn.model.as_str());
            out.estimate(record.thread, model, before_tokens, 0);
        }
        let compaction = Compaction {
            reason: text(trigger).unwrap_or_default().into_owned(),
            before_tokens,
            ..Compaction::default()
        };
        out.compacted(record.thread, &compaction);
    }

    pub(super) fn attachment<'a>(&self, record: &Record<'a>, out: &mut Out) -> Cow<'a, str> {
        let attachment = record.body;
        let kind = get_text(attachment, "type").unwrap_or_default();
        match &*kind {
            "nested_memory" => {
                let path = get_text(attachment, "path").unwrap_or_default();
                out.recalled(record.thread, "nested_memory", &path, 1);
            }
            "queued_command" => {
                let said = get_text(attachment, "prompt").unwrap_or_default();
                user::notified(record, &said, out);
            }
            _ => {}
        }
        kind
    }

    pub(super) fn progress<'a>(&mut self, record: &Record<'a>, out: &mut Out) -> Cow<'a, str> {
        let data = record.body;
        let kind = get_text(data, "type").unwrap_or_default();
        if kind == "agent_progress"
            && let Some(agent) = get_text(data, "agentId")
        {
            let thread = threads::sub_thread(&self.session_of(record), &agent);
            self.invoked(&agent, &thread, record.thread, out);
        }
        kind
    }
}

/// A request that failed: tried again, or given up.
fn api_error(record: &Record<'_>, out: &mut Out) {
    let [error, attempt, most] = pick(record.raw, ["error", "retryAttempt", "maxRetries"]);
    let what = get_text(error, "message").or_else(|| text(error));
    let what = what.unwrap_or_else(|| error.unwrap_or_default().into());
    let (attempt, most) = (uint(attempt).unwrap_or(0), uint(most).unwrap_or(u64::MAX));
    if attempt >= most {
        out.error(record.thread, "api_error", &what);
        return;
    }
    let message = cap(&format!("retry {attempt} of {most}: {what}"));
    let timestamp = out.at();
    out.emit(
        record.thread,
        GraphEvent::Warning {
            code: "retry".to_owned(),
            message,
            timestamp,
        },
    );
}
