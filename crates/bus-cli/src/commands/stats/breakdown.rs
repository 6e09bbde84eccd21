//! Tokens by model and source, tool calls by tool.

use std::collections::BTreeMap;

use bus_log::{CustomEvent, Event, GraphEvent, SessionEvent};
use serde::Deserialize;

use crate::output::Out;
use crate::output::style::PLAIN;
use crate::output::table::{Align, Table};
use crate::output::text::{count, duration, one_line};

/// What the figures are made of, by name.
#[derive(Default)]
pub(super) struct Breakdown {
    tokens: BTreeMap<(String, String), Tokens>,
    tools: BTreeMap<String, Tool>,
}

#[derive(Clone, Copy, Default)]
struct Tokens {
    calls: u64,
    prompt: i128,
    completion: i128,
    duration_ms: u64,
}

/// A tool as session events tell of it, and as audit events do: a thread can have either or both.
#[derive(Clone, Copy, Default)]
struct Tool {
    session: Calls,
    audit: Calls,
    longest_ms: u64,
    total_ms: u64,
}

#[derive(Clone, Copy, Default)]
struct Calls {
    made: u64,
    failed: u64,
}

/// The data of an `import.usage_correction` event: tokens said too many.
#[derive(Deserialize)]
struct Correction {
    source: String,
    model: String,
    #[serde(default)]
    prompt_tokens: u64,
    #[serde(default)]
    completion_tokens: u64,
}

impl Breakdown {
    /// Adds one event.
    pub(super) fn add(&mut self, event: &Event) {
        match event {
            Event::Session(event) => self.add_session(event),
            Event::Audit(GraphEvent::ToolCall { name, .. }) => self.tool(name).audit.made += 1,
            Event::Audit(GraphEvent::ToolResult { name, is_error, .. }) => {
                self.tool(name).audit.failed += u64::from(*is_error);
            }
            Event::Custom(event) if event.event_type() == "import.usage_correction" => {
                self.correct(event);
            }
            _ => {}
        }
    }

    fn add_session(&mut self, event: &SessionEvent) {
        match event {
            SessionEvent::TokenUsage(delta) => {
                let name = (delta.model.clone(), delta.source.as_str().to_owned());
                let tokens = self.tokens.entry(name).or_default();
                tokens.calls += 1;
                tokens.prompt += delta.prompt_tokens as i128;
                tokens.completion += delta.completion_tokens as i128;
                tokens.duration_ms = tokens.duration_ms.saturating_add(delta.duration_ms);
            }
            SessionEvent::ToolCallStart { name, .. } => self.tool(name).session.made += 1,
            SessionEvent::ToolCallComplete {
                name,
                success,
                duration_ms,
                ..
            } => {
                let tool = self.tool(name);
                tool.session.failed += u64::from(!success);
                tool.longest_ms = tool.longest_ms.max(*duration_ms);
                tool.total_ms = tool.total_ms.saturating_add(*duration_ms);
            }
            _ => {}
        }
    }

    fn correct(&mut self, event: &CustomEvent) {
        let data = event.data();
        if let Some(Ok(wrong)) = data.as_ref().map(bus_log::Json::decode::<Correction>) {
            let tokens = self.tokens.entry((wrong.model, wrong.source)).or_default();
            tokens.prompt -= i128::from(wrong.prompt_tokens);
            tokens.completion -= i128::from(wrong.completion_tokens);
        }
    }

    fn tool(&mut self, name: &str) -> &mut Tool {
        self.tools.entry(name.to_owned()).or_default()
    }

    /// Adds what another thread is made of.
    pub(super) fn merge(&mut self, other: Self) {
        for (name, more) in other.tokens {
            let tokens = self.tokens.entry(name).or_default();
            tokens.calls += more.calls;
            tokens.prompt += more.prompt;
            tokens.completion += more.completion;
            tokens.duration_ms = tokens.duration_ms.saturating_add(more.duration_ms);
        }
        for (name, more) in other.tools {
            let tool = self.tools.entry(name).or_default();
            let calls = more.calls();
            // Which kind of event told of them no longer matters.
            tool.session = tool.calls();
            tool.audit = Calls::default();
            tool.session.made += calls.made;
            tool.session.failed += calls.failed;
            tool.longest_ms = tool.longest_ms.max(more.longest_ms);
            tool.total_ms = tool.total_ms.saturating_add(more.total_ms);
        }
    }

    /// Writes a table of models and one of tools, where there are any.
    pub(super) fn write(&self, out: &mut Out) -> anyhow::Result<()> {
        if !self.tokens.is_empty() {
            let mut table = Table::new(
                out.styles.dim,
                [
                    ("model", Align::Left),
                    ("source", Align::Left),
                    ("reports", Align::Right),
                    ("tokens in", Align::Right),
                    ("tokens out", Align::Right),
                    ("time", Align::Right),
                ],
            );
            for ((model, source), tokens) in &self.tokens {
                let cells = [
                    named(model),
                    named(source),
                    count(tokens.calls),
                    signed(tokens.prompt),
                    signed(tokens.completion),
                    took(tokens.duration_ms),
                ];
                table.row(PLAIN, cells);
            }
            out.line("")?;
            table.write(out, "  ")?;
        }
        if !self.tools.is_empty() {
            let mut table = Table::new(
                out.styles.dim,
                [
                    ("tool", Align::Left),
                    ("calls", Align::Right),
                    ("failed", Align::Right),
                    ("time", Align::Right),
                    ("longest", Align::Right),
                ],
            );
            let mut tools: Vec<_> = self.tools.iter().collect();
            tools.sort_by_key(|(_, tool)| std::cmp::Reverse(tool.calls().made));
            for (name, tool) in tools {
                let calls = tool.calls();
                let cells = [
                    named(name),
                    count(calls.made),
                    count(calls.failed),
                    took(tool.total_ms),
                    took(tool.longest_ms),
                ];
                table.row(PLAIN, cells);
            }
            out.line("")?;
            table.write(out, "  ")?;
        }
        Ok(())
    }
}

impl Tool {
    /// As the audit tells it, and where it says nothing, as the session does: a session event also
    /// ends a call that never was answered.
    fn calls(&self) -> Calls {
        if self.audit.made + self.audit.failed > 0 {
            self.audit
        } else {
            self.session
        }
    }
}

fn named(name: &str) -> String {
    match name {
        "" => "unknown".to_owned(),
        name => one_line(name, 48),
    }
}

/// A duration, and nothing where it is not known.
fn took(ms: u64) -> String {
    match ms {
        0 => String::new(),
        ms => duration(ms),
    }
}

/// More can be taken back under a name than was said under it.
fn signed(n: i128) -> String {
    let sign = if n < 0 { "-" } else { "" };
    let magnitude = u64::try_from(n.unsigned_abs()).unwrap_or(u64::MAX);
    format!("{sign}{}", count(magnitude))
}
