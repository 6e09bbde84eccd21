//! What the program says of itself: events for its screen, and compactions.

use bus_core::SessionEvent;

use super::Codex;
use super::items::{Source, success};
use crate::out::{Compaction, MAIN, Out, count};
use crate::raw::{each, get, get_text, pick, text, uint};

impl Codex {
    pub(super) fn notice(&mut self, kind: &str, payload: &str, out: &mut Out) {
        out.set_turn(self.turn.as_deref());
        match kind {
            "user_message" => {
                let [message, images] = pick(payload, ["message", "images"]);
                Self::typed(message, images, out);
            }
            "item_completed" if self.paginated => item_completed(payload, out),
            "agent_reasoning" => {
                let text = get_text(Some(payload), "text").unwrap_or_default();
                self.reasoning(&text, Source::Notice, out);
            }
            "agent_message" => recalled(payload, out),
            "token_count" => self.token_count(payload, out),
            "task_complete" => self.turn_ended(payload, out),
            "turn_aborted" => {
                let reason = get(Some(payload), "reason").unwrap_or("null");
                let payload = crate::limit::cap_json(reason);
                self.calls.interrupted(out, MAIN, payload);
                self.turn_usage();
            }
            "error" | "stream_error" => {
                let [message, class] = pick(payload, ["message", "codex_error_info"]);
                let class = text(class).unwrap_or("error".into());
                out.error(MAIN, &class, &text(message).unwrap_or_default());
            }
            "exec_command_end" => self.exec_ended(payload),
            "patch_apply_end" | "dynamic_tool_call_response" => {
                let [id, went] = pick(payload, ["call_id", "success"]);
                self.calls
                    .enrich(&text(id).unwrap_or_default(), success(went), None);
            }
            "mcp_tool_call_end" => self.mcp_ended(payload),
            "collab_agent_spawn_end" => {
                let [thread, name] = pick(payload, ["new_thread_id", "new_agent_nickname"]);
                if let Some(thread) = text(thread) {
                    out.invoked(MAIN, &text(name).unwrap_or(thread.clone()), &thread);
                }
            }
            "sub_agent_activity" => {
                let [kind, thread, path] = pick(payload, ["kind", "agent_thread_id", "agent_path"]);
                if let (Some("started"), Some(thread)) = (text(kind).as_deref(), text(thread)) {
                    out.invoked(MAIN, &text(path).unwrap_or(thread.clone()), &thread);
                }
            }
            _ => {}
        }
    }

    fn turn_ended(&mut self, payload: &str, out: &mut Out) {
        self.calls.cancel(out, MAIN, "no result");
        let (prompt, completion) = self.turn_usage();
        let duration_ms = uint(get(Some(payload), "duration_ms")).unwrap_or(0);
        out.emit(
            MAIN,
            SessionEvent::UsageReport {
                prompt_tokens: count(prompt),
                completion_tokens: count(completion),
                duration_ms,
                model: self.model.clone(),
            },
        );
        out.emit(MAIN, SessionEvent::Done);
    }

    fn exec_ended(&mut self, payload: &str) {
        let [id, code, duration] = pick(payload, ["call_id", "exit_code", "duration"]);
        let code: Option<i64> = code.and_then(|code| code.parse().ok());
        let id = text(id).unwrap_or_default();
        self.calls
            .enrich(&id, code.map(|code| code == 0), millis(duration));
    }

    fn mcp_ended(&mut self, payload: &str) {
        let [id, result, duration] = pick(payload, ["call_id", "result", "duration"]);
        let [ok, err] = result.map_or([None; 2], |result| pick(result, ["Ok", "Err"]));
        let went = match (ok, err) {
            (_, Some(_)) => Some(false),
            (Some(ok), None) => Some(!crate::raw::is_true(get(Some(ok), "isError"))),
            (None, None) => None,
        };
        let id = text(id).unwrap_or_default();
        self.calls.enrich(&id, went, millis(duration));
    }

    pub(super) fn compacted(&mut self, payload: &str, out: &mut Out) {
        let [message, history] = pick(payload, ["message", "replacement_history"]);
        let mut kept_messages = 0;
        each(history, |_| kept_messages += 1);
        let compaction = Compaction {
            reason: "context_window".to_owned(),
            before_tokens: self.meter.context,
            budget: self.meter.window,
            kept_messages,
            retained_chars: text(message).map_or(0, |message| message.chars().count()),
        };
        self.meter.compacted = true;
        out.compacted(MAIN, &compaction);
    }
}

/// A prompt in the newest form, in which no `user_message` is written.
fn item_completed(payload: &str, out: &mut Out) {
    let item = get(Some(payload), "item");
    if get_text(item, "type").is_some_and(|kind| kind == "UserMessage") {
        out.user(MAIN, super::items::parts(get(item, "content")));
    }
}

fn recalled(payload: &str, out: &mut Out) {
    let citation = get(Some(payload), "memory_citation");
    let mut hits = 0;
    each(get(citation, "entries"), |_| hits += 1);
    if citation.is_some() {
        out.recalled(MAIN, "memory", "", hits);
    }
}

/// `{"secs":1,"nanos":5}` in milliseconds.
fn millis(duration: Option<&str>) -> Option<u64> {
    let [secs, nanos] = pick(duration?, ["secs", "nanos"]);
    let nanos = uint(nanos).unwrap_or(0) / 1_000_000;
    Some(uint(secs)?.saturating_mul(1000).saturating_add(nanos))
}
