//! What a thread adds up to.

use bus_core::{Event, GraphEvent, Meta, SessionEvent};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::out::{MALFORMED_LINE, SKIPPED, USAGE_CORRECTION};

/// The figures of one thread: a fold over its events.
///
/// The import and a log give the same figures, because both add up the same events.
///
/// Many things are said twice, by a session event and by an audit record. Where a thread has both,
/// each is counted once; a thread that was recorded live may have only one of them.
///
/// ```
/// use bus_core::{Event, Meta, SessionEvent};
/// use bus_import::Figures;
///
/// let mut figures = Figures::new("t");
/// figures.add(&chrono::Utc::now(), &Meta::default(), &SessionEvent::TextComplete("hi".into()).into());
/// assert_eq!((figures.events, figures.assistant_texts), (1, 1));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Figures {
    /// `codex`, `codex-legacy` or `claude-code`; of a thread that was not imported, its agent's name.
    pub format: String,
    /// The thread.
    pub thread: String,
    /// All events.
    pub events: u64,
    /// What the user said.
    pub user_messages: u64,
    /// Texts of the model, reasoning left out.
    pub assistant_texts: u64,
    /// Tool calls.
    pub tool_calls: u64,
    /// Results of tool calls.
    pub tool_results: u64,
    /// Results that are errors.
    pub tool_errors: u64,
    /// Compactions that ended well.
    pub compactions: u64,
    /// Prompt tokens, those read from or written to a cache included.
    pub prompt_tokens: u64,
    /// Completion tokens.
    pub completion_tokens: u64,
    /// The smallest time of a record.
    pub first_at: Option<DateTime<Utc>>,
    /// The largest time of a record.
    pub last_at: Option<DateTime<Utc>>,
    /// Lines from which bytes were lost.
    pub malformed_lines: u64,
    /// Records that gave nothing but the trace that they were there.
    pub skipped_records: u64,
    #[serde(skip)]
    seen: Seen,
}

/// Counts by where they come from, out of which the figures are chosen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Seen {
    session: Tools,
    audit: Tools,
    session_texts: u64,
    audit_texts: u64,
    session_compactions: u64,
    audit_compactions: u64,
    prompt: Balance,
    completion: Balance,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Tools {
    calls: u64,
    results: u64,
    errors: u64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Balance {
    said: u64,
    taken_back: u64,
}

impl Balance {
    const fn left(self) -> u64 {
        self.said.saturating_sub(self.taken_back)
    }
}

/// The data of a [`USAGE_CORRECTION`] event: tokens said too many.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct UsageCorrection {
    pub(crate) source: String,
    pub(crate) model: String,
    #[serde(default)]
    pub(crate) prompt_tokens: u64,
    #[serde(default)]
    pub(crate) completion_tokens: u64,
}

impl Figures {
    /// The figures of a thread without events.
    #[must_use]
    pub fn new(thread: impl Into<String>) -> Self {
        Self {
            thread: thread.into(),
            ..Self::default()
        }
    }

    /// Adds one event of the thread, in the order of the thread.
    pub fn add(&mut self, at: &DateTime<Utc>, _meta: &Meta, event: &Event) {
        self.events += 1;
        // No record of any transcript is that old: it stands for a time that nothing tells.
        if *at != DateTime::UNIX_EPOCH {
            self.first_at = Some(self.first_at.map_or(*at, |first| first.min(*at)));
            self.last_at = Some(self.last_at.map_or(*at, |last| last.max(*at)));
        }
        match event {
            Event::Session(event) => self.add_session(event),
            Event::Audit(event) => self.add_audit(event),
            Event::Custom(event) => match event.event_type() {
                SKIPPED => self.skipped_records += 1,
                USAGE_CORRECTION => {
                    let data = event.data();
                    if let Some(Ok(data)) = data.as_ref().map(bus_core::Json::decode) {
                        self.take_back(&data);
                    }
                }
                _ => {}
            },
            _ => {}
        }
        self.choose();
    }

    fn add_session(&mut self, event: &SessionEvent) {
        let seen = &mut self.seen;
        match event {
            SessionEvent::ToolCallStart { .. } => seen.session.calls += 1,
            SessionEvent::ToolCallComplete { success, .. } => {
                seen.session.results += 1;
                seen.session.errors += u64::from(!success);
            }
            SessionEvent::TextComplete(_) => seen.session_texts += 1,
            SessionEvent::CompactionCompleted(_) => seen.session_compactions += 1,
            SessionEvent::TokenUsage(delta) => {
                add(&mut seen.prompt.said, delta.prompt_tokens as u64);
                add(&mut seen.completion.said, delta.completion_tokens as u64);
            }
            SessionEvent::SessionSync(session) if self.format.is_empty() => {
                self.format.clone_from(&session.agent);
            }
            _ => {}
        }
    }

    fn add_audit(&mut self, event: &GraphEvent) {
        let seen = &mut self.seen;
        match event {
            GraphEvent::UserMessage { .. } => self.user_messages += 1,
            GraphEvent::AssistantMessage { .. } => seen.audit_texts += 1,
            GraphEvent::ToolCall { .. } => seen.audit.calls += 1,
            GraphEvent::ToolResult { is_error, .. } => {
                seen.audit.results += 1;
                seen.audit.errors += u64::from(*is_error);
            }
            GraphEvent::ContextCompacted { .. } => seen.audit_compactions += 1,
            GraphEvent::Warning { code, .. } if code == MALFORMED_LINE => {
                self.malformed_lines += 1;
            }
            _ => {}
        }
    }

    fn take_back(&mut self, correction: &UsageCorrection) {
        let seen = &mut self.seen;
        add(&mut seen.prompt.taken_back, correction.prompt_tokens);
        add(
            &mut seen.completion.taken_back,
            correction.completion_tokens,
        );
    }

    /// Sets the figures that may come from either kind of event.
    fn choose(&mut self) {
        let seen = self.seen;
        // The audit trail says what was answered; a session event also ends a call that never was.
        let tools = if seen.audit == Tools::default() {
            seen.session
        } else {
            seen.audit
        };
        self.tool_calls = tools.calls;
        self.tool_results = tools.results;
        self.tool_errors = tools.errors;
        self.assistant_texts = either(seen.session_texts, seen.audit_texts);
        self.compactions = either(seen.session_compactions, seen.audit_compactions);
        self.prompt_tokens = seen.prompt.left();
        self.completion_tokens = seen.completion.left();
    }
}

const fn either(first: u64, other: u64) -> u64 {
    if first == 0 { other } else { first }
}

const fn add(sum: &mut u64, more: u64) {
    *sum = sum.saturating_add(more);
}

#[cfg(test)]
mod tests;
