//! Records of the model: one for each block of a message, and each with the message's usage.

use std::borrow::Cow;

use bus_core::{TokenSource, Usage};

use super::{Claude, Message, Record};
use crate::limit::{cap_id, cap_json};
use crate::out::{Change, Out, ThreadIx};
use crate::raw::{each_block, get_text, pick, text, uint};
use crate::recent::Recent;

/// As many messages are known by their usage. An older one that is said again counts again.
const MAX_MESSAGES: usize = 262_144;

/// The model that error messages are given under: it uses no tokens.
const SYNTHETIC: &str = "<synthetic>";

/// What each message was said to have used, by its id.
#[derive(Debug)]
pub(super) struct Messages(Recent<Said>);

/// What a message was said to have used, and whose it is: of a message that stands in two threads, the
/// first. All its changes are that thread's, so that none takes back what it has not been given.
#[derive(Clone, Copy, Debug)]
struct Said {
    usage: Usage,
    thread: ThreadIx,
    source: TokenSource,
}

/// How a record changes the usage of its message.
#[derive(Clone, Copy)]
struct Used {
    old: Usage,
    new: Said,
}

impl Default for Messages {
    fn default() -> Self {
        Self(Recent::new(MAX_MESSAGES))
    }
}

impl Claude {
    pub(super) fn assistant(&mut self, record: &Record<'_>, out: &mut Out) -> &'static str {
        let content = record.message.content;
        let model = text(record.message.model).unwrap_or_default();
        let is_error = record.is_error;
        let used = self.used(record, &model);
        let mut usage = used
            .map(|used| added(used.old, used.new.usage))
            .filter(|usage| usage.total_tokens() > 0);
        let mut say = |text: &str, out: &mut Out| {
            if is_error {
                out.text(record.thread, text);
                out.error(record.thread, "api_error", text);
            } else {
                out.answer(record.thread, text, usage.take());
            }
        };
        if let Some(text) = text(content) {
            say(&text, out);
        }
        let left = each_block(content, |block| {
            let [kind, said, thought] = pick(block, ["type", "text", "thinking"]);
            match text(kind).as_deref() {
                Some("text") => say(&text(said).unwrap_or_default(), out),
                Some("thinking") => {
                    let thought = text(thought).unwrap_or_default();
                    if !thought.is_empty() {
                        out.reasoning(record.thread, &thought);
                    }
                }
                Some("tool_use") => self.call(record, block, out),
                _ => {}
            }
        });
        out.left_out(record.thread, left);
        if let Some(Used { old, new }) = used {
            let prompt = Change::between(old.prompt_tokens(), new.usage.prompt_tokens());
            let completion = Change::between(old.output_tokens, new.usage.output_tokens);
            let turn = self.turns.entry(new.thread).or_default();
            turn.prompt = turn.prompt.saturating_add(prompt.more());
            turn.completion = turn.completion.saturating_add(completion.more());
            turn.model = cap_id(&model);
            out.usage(new.thread, new.source, &model, [prompt, completion]);
        }
        if is_error { "api_error" } else { "" }
    }

    /// What the record's message was said to have used before, and is now.
    fn used(&mut self, record: &Record<'_>, model: &str) -> Option<Used> {
        let Message { id, usage, .. } = record.message;
        let usage = usage.filter(|usage| usage.starts_with('{') && model != SYNTHETIC)?;
        let [input, creation, read, output] = pick(
            usage,
            [
                "input_tokens",
                "cache_creation_input_tokens",
                "cache_read_input_tokens",
                "output_tokens",
            ],
        );
        let mut new = Usage::new(uint(input).unwrap_or(0), uint(output).unwrap_or(0));
        new.cache_creation_tokens = uint(creation).unwrap_or(0);
        new.cache_read_tokens = uint(read).unwrap_or(0);
        let mut new = Said {
            usage: new,
            thread: record.thread,
            source: record.source(),
        };
        let mut old = Usage::default();
        // A message without an id is the record's own.
        let id: Option<Cow<'_, str>> = text(id).or_else(|| record.uuid.clone());
        if let Some(id) = id {
            let known = &mut self.messages.0;
            if let Some(said) = known.get(&id) {
                old = said.usage;
                (new.thread, new.source) = (said.thread, said.source);
            }
            known.set(&id, new);
        }
        Some(Used { old, new })
    }

    fn call(&mut self, record: &Record<'_>, block: &str, out: &mut Out) {
        let [id, name, input] = pick(block, ["id", "name", "input"]);
        let id = text(id).filter(|id| !id.is_empty());
        let id = id.unwrap_or_else(|| format!("line-{}", out.line()).into());
        let name = text(name).unwrap_or_default();
        let raw = input.unwrap_or("{}");
        if let Some(prompt) = get_text(input, "prompt")
            && matches!(&*name, "Task" | "Agent")
        {
            self.agents.called(&cap_id(&id), &prompt, record.thread);
        }
        let call = out.call(record.thread, &id, &name, (raw, cap_json(raw)));
        self.calls.opened(call);
    }
}

/// What came on top, kind by kind.
const fn added(old: Usage, new: Usage) -> Usage {
    Usage {
        input_tokens: new.input_tokens.saturating_sub(old.input_tokens),
        output_tokens: new.output_tokens.saturating_sub(old.output_tokens),
        cache_read_tokens: new.cache_read_tokens.saturating_sub(old.cache_read_tokens),
        cache_creation_tokens: new
            .cache_creation_tokens
            .saturating_sub(old.cache_creation_tokens),
        reasoning_tokens: 0,
    }
}
