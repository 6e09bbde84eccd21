//! What stands in the conversation: items of the Responses API.

use std::borrow::Cow;
use std::collections::VecDeque;

use bus_core::{ContentPart, ImageSource, Json};

use super::Codex;
use super::outcome;
use crate::limit::{Room, cap_id, cap_json, raw_text};
use crate::out::{MAIN, Out};
use crate::raw::{each, each_block, get, get_text, is_true, pick, text};
use crate::recent::hash;

/// How injected context begins, which stands in items of the user's role and was not typed.
const INJECTED: [&str; 20] = [
    "<environment_context>",
    "<user_instructions>",
    "# AGENTS.md instructions",
    "<turn_aborted>",
    "<subagent_notification>",
    "<recommended_plugins>",
    "<skill>",
    "<INSTRUCTIONS>",
    "<user_shell_command>",
    "<permissions instructions>",
    "<user_action>",
    "<apps_instructions>",
    "<skills_instructions>",
    "<plugins_instructions>",
    "<collaboration_mode>",
    "<hook_prompt",
    "<codex_internal_context",
    "<goal_context>",
    "<model_switch>",
    "<personality_spec>",
];

/// True for what stood in a rollout without an envelope.
pub(super) fn is_known(kind: &str) -> bool {
    matches!(kind, "message" | "reasoning") || kind.ends_with("_call") || kind.ends_with("_output")
}

impl Codex {
    pub(super) fn item(&mut self, kind: &str, item: &str, out: &mut Out) {
        out.set_turn(self.turn.as_deref());
        match kind {
            "message" => self.message(item, out),
            "reasoning" => self.reasoning_item(item, out),
            "function_call" => {
                let [name, arguments] = pick(item, ["name", "arguments"]);
                self.call(item, &text(name).unwrap_or_default(), arguments, out);
            }
            "custom_tool_call" => {
                let [name, input] = pick(item, ["name", "input"]);
                self.call(item, &text(name).unwrap_or_default(), input, out);
            }
            "local_shell_call" => self.call(item, "local_shell", get(Some(item), "action"), out),
            "tool_search_call" => self.call(item, "tool_search", get(Some(item), "arguments"), out),
            "web_search_call" => self.silent_call(item, "web_search", "action", out),
            "image_generation_call" => {
                self.silent_call(item, "image_generation", "revised_prompt", out);
            }
            "agent_message" => {
                let [from, to] = pick(item, ["author", "recipient"]);
                out.handoff(MAIN, text(from).as_deref(), &text(to).unwrap_or_default());
            }
            "ghost_snapshot" => {
                let [commit, id] = pick(item, ["ghost_commit", "id"]);
                let id = get_text(commit, "id").or_else(|| text(id));
                out.checkpoint(&id.unwrap_or_default());
            }
            _ if kind.ends_with("_output") => self.output(item, out),
            _ => {}
        }
    }

    fn message(&mut self, item: &str, out: &mut Out) {
        let [role, content] = pick(item, ["role", "content"]);
        match text(role).as_deref() {
            Some("assistant") => out.answer(MAIN, &texts(content), None),
            Some("user") => {
                let said = texts(content);
                let start = said.trim_start();
                if let Some(notice) = start.strip_prefix("<subagent_notification>") {
                    let from = notified_by(notice);
                    out.handoff(MAIN, from.as_deref(), &out.thread_name(MAIN));
                } else if self.legacy && !INJECTED.iter().any(|sign| start.starts_with(sign)) {
                    out.user(MAIN, parts(content));
                }
            }
            _ => {}
        }
    }

    fn reasoning_item(&mut self, item: &str, out: &mut Out) {
        let [summary, content] = pick(item, ["summary", "content"]);
        for list in [summary, content] {
            let left = each_block(list, |part| {
                if let Some(text) = get_text(Some(part), "text") {
                    self.reasoning(&text, Source::Item, out);
                }
            });
            out.left_out(MAIN, left);
        }
    }

    /// A piece of reasoning; said by an item and by a notice, it counts once.
    pub(super) fn reasoning(&mut self, text: &str, source: Source, out: &mut Out) {
        if !text.trim().is_empty() && self.said.is_news(text, source) {
            out.reasoning(MAIN, text);
        }
    }

    fn call(&mut self, item: &str, name: &str, input: Option<&str>, out: &mut Out) {
        let call = open_call(item, name, input, out);
        self.calls.opened(call);
    }

    /// A call of which no result is ever recorded.
    fn silent_call(&mut self, item: &str, name: &str, input: &str, out: &mut Out) {
        let call = open_call(item, name, get(Some(item), input), out);
        self.calls.passed(call);
    }

    fn output(&mut self, item: &str, out: &mut Out) {
        let [call_id, id, output, tools] = pick(item, ["call_id", "id", "output", "tools"]);
        let id = text(call_id).or_else(|| text(id)).unwrap_or_default();
        let answer = outcome::answer(output.or(tools));
        self.calls.answered(out, MAIN, &id, answer);
    }

    /// What the user typed, as the notice has it.
    pub(super) fn typed(message: Option<&str>, images: Option<&str>, out: &mut Out) {
        let mut room = Room::default();
        let mut content = vec![ContentPart::Text(
            room.take(&text(message).unwrap_or_default()),
        )];
        each_block(images, |image| {
            if let Some(image) = text(Some(image)) {
                content.push(ContentPart::Image(image_source(&image)));
            }
        });
        out.user(MAIN, content);
    }
}

fn open_call(item: &str, name: &str, input: Option<&str>, out: &mut Out) -> crate::out::Call {
    let [call_id, id] = pick(item, ["call_id", "id"]);
    let id = text(call_id)
        .or_else(|| text(id))
        .filter(|id| !id.is_empty());
    let id = id.map_or_else(|| format!("line-{}", out.line()), |id| cap_id(&id));
    // Arguments are JSON in a string, mostly; an action is JSON itself.
    match text(input) {
        Some(arguments) => {
            let json = if Json::parse(&arguments).is_ok() {
                cap_json(&arguments)
            } else {
                raw_text(&arguments)
            };
            out.call(MAIN, &id, name, (&arguments, json))
        }
        None => {
            let raw = input.unwrap_or("{}");
            out.call(MAIN, &id, name, (raw, cap_json(raw)))
        }
    }
}

/// The texts of a message, one below the other.
pub(super) fn texts(content: Option<&str>) -> Cow<'_, str> {
    if let Some(text) = text(content) {
        return text;
    }
    let mut all = String::new();
    each(content, |part| {
        if let Some(text) = get_text(Some(part), "text") {
            if !all.is_empty() {
                all.push('\n');
            }
            all.push_str(&text);
        }
    });
    Cow::Owned(all)
}

/// The parts of a message.
pub(super) fn parts(content: Option<&str>) -> Vec<ContentPart> {
    let mut room = Room::default();
    let mut parts = Vec::new();
    each_block(content, |part| {
        let [text_, image] = pick(part, ["text", "image_url"]);
        if room.is_full() {
            return;
        }
        if let Some(text) = text(text_) {
            parts.push(ContentPart::Text(room.take(&text)));
        } else if let Some(url) = text(image).or_else(|| get_text(image, "url")) {
            parts.push(ContentPart::Image(image_source(&url)));
        }
    });
    parts
}

/// An image by its address, or what is said of it where the address holds the image itself.
fn image_source(url: &str) -> ImageSource {
    match url.strip_prefix("data:") {
        Some(data) => ImageSource::Omitted {
            media_type: cap_id(data.split([';', ',']).next().unwrap_or_default()),
            bytes: data.len() as u64,
        },
        None => ImageSource::Url(cap_id(url)),
    }
}

/// The agent that a notification is from.
fn notified_by(notice: &str) -> Option<String> {
    let end = notice.rfind('}')?;
    let notice = Json::parse(&notice[..=end]).ok()?;
    get_text(Some(notice.as_str()), "agent_path").map(Cow::into_owned)
}

/// Where a piece of reasoning was said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Source {
    Item,
    Notice,
}

/// The last pieces of reasoning that one of the two sources has said and the other has not.
#[derive(Debug, Default)]
pub(super) struct Said(VecDeque<(Source, u64)>);

impl Said {
    fn is_news(&mut self, text: &str, source: Source) -> bool {
        const REMEMBERED: usize = 64;
        let text = hash(text);
        let same = |(by, said): &(Source, u64)| *by != source && *said == text;
        if let Some(at) = self.0.iter().position(same) {
            self.0.remove(at);
            return false;
        }
        self.0.push_back((source, text));
        if self.0.len() > REMEMBERED {
            self.0.pop_front();
        }
        true
    }
}

/// True where a flag is set: for notices that say how a call went.
pub(super) fn success(raw: Option<&str>) -> Option<bool> {
    raw.map(|raw| is_true(Some(raw)))
}
