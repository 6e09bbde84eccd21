//! What both formats say, as events: a session event for screens and an audit record for the books.

use bus_core::{
    CompactionOutcome, CompactionStart, ContentPart, FallbackStrategy, GraphEvent, Json,
    SessionEvent, TokenDelta, TokenEstimate, TokenSource, Usage, UsageLimitBreach, Uuid,
};
use chrono::{DateTime, Utc};

use super::{Out, ThreadIx, USAGE_CORRECTION};
use crate::figures::UsageCorrection;
use crate::limit::{cap, cap_id};

/// A tool call that waits for its result.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) thread: ThreadIx,
    pub(crate) at: DateTime<Utc>,
    /// Whether it succeeded, where a record before the result said so.
    pub(crate) success: Option<bool>,
    /// How long it took in milliseconds, where a record before the result said so.
    pub(crate) duration_ms: Option<u64>,
}

/// What a tool returned.
pub(crate) struct Outcome {
    pub(crate) output: String,
    pub(crate) success: bool,
    pub(crate) duration_ms: u64,
}

impl Out {
    pub(crate) fn user(&mut self, thread: ThreadIx, content: Vec<ContentPart>) {
        let timestamp = self.at();
        self.emit(thread, GraphEvent::UserMessage { content, timestamp });
        self.emit(thread, SessionEvent::Thinking);
    }

    pub(crate) fn reasoning(&mut self, thread: ThreadIx, text: &str) {
        self.emit(thread, SessionEvent::ThinkingComplete(cap(text)));
    }

    pub(crate) fn answer(&mut self, thread: ThreadIx, text: &str, usage: Option<Usage>) {
        let text = self.text(thread, text);
        let timestamp = self.at();
        let content = vec![ContentPart::Text(text)];
        self.emit(
            thread,
            GraphEvent::AssistantMessage {
                content,
                usage,
                timestamp,
            },
        );
    }

    /// A text without an audit record; gives it back as it was said.
    pub(crate) fn text(&mut self, thread: ThreadIx, text: &str) -> String {
        let text = cap(text);
        self.emit(thread, SessionEvent::TextChunk(text.clone()));
        self.emit(thread, SessionEvent::TextComplete(text.clone()));
        text
    }

    pub(crate) fn call(
        &mut self,
        thread: ThreadIx,
        id: &str,
        name: &str,
        input: (&str, Json),
    ) -> Call {
        let (arguments, input) = input;
        let call = Call {
            id: cap_id(id),
            name: cap_id(name),
            thread,
            at: self.at(),
            success: None,
            duration_ms: None,
        };
        self.emit_call(
            thread,
            id,
            SessionEvent::ToolCallStart {
                name: call.name.clone(),
                arguments: cap(arguments),
            },
        );
        self.emit_call(
            thread,
            id,
            GraphEvent::ToolCall {
                id: call.id.clone(),
                name: call.name.clone(),
                input,
                timestamp: self.at(),
            },
        );
        call
    }

    pub(crate) fn result(&mut self, thread: ThreadIx, id: &str, name: &str, outcome: Outcome) {
        let name = cap_id(name);
        self.emit_call(
            thread,
            id,
            SessionEvent::ToolCallComplete {
                name: name.clone(),
                output: outcome.output.clone(),
                success: outcome.success,
                duration_ms: outcome.duration_ms,
            },
        );
        self.emit_call(
            thread,
            id,
            GraphEvent::ToolResult {
                tool_use_id: cap_id(id),
                name,
                content: outcome.output.into(),
                is_error: !outcome.success,
                timestamp: self.at(),
            },
        );
    }

    /// A call that never got its result.
    pub(crate) fn cancelled(&mut self, thread: ThreadIx, call: Call, why: &str) {
        let timestamp = self.at();
        let reason = format!("{why}: {} {}", call.name, call.id);
        self.emit_call(
            thread,
            &call.id,
            SessionEvent::ToolCallComplete {
                name: call.name,
                output: String::new(),
                success: false,
                duration_ms: millis(call.at, timestamp),
            },
        );
        self.emit_call(
            thread,
            &call.id,
            GraphEvent::Cancelled { reason, timestamp },
        );
    }

    pub(crate) fn error(&mut self, thread: ThreadIx, class: &str, message: &str) {
        let message = cap(message);
        let timestamp = self.at();
        self.emit(thread, SessionEvent::Error(message.clone()));
        self.emit(
            thread,
            GraphEvent::Error {
                class: cap_id(class),
                message,
                timestamp,
            },
        );
    }

    /// Blocks of a record that are more than any real one has.
    pub(crate) fn left_out(&mut self, thread: ThreadIx, blocks: usize) {
        if blocks > 0 {
            let message = format!("{blocks} blocks of the record were left out");
            let timestamp = self.at();
            self.emit(
                thread,
                GraphEvent::Warning {
                    code: "import.blocks_left_out".to_owned(),
                    message,
                    timestamp,
                },
            );
        }
    }

    /// Tokens that a record adds to what was said before, or takes back.
    pub(crate) fn usage(
        &mut self,
        thread: ThreadIx,
        source: TokenSource,
        model: &str,
        change: [Change; 2],
    ) {
        let [prompt, completion] = change;
        let model = cap_id(model);
        if prompt.more != 0 || completion.more != 0 {
            self.emit(
                thread,
                SessionEvent::TokenUsage(TokenDelta {
                    source,
                    model: model.clone(),
                    prompt_tokens: count(prompt.more),
                    completion_tokens: count(completion.more),
                    duration_ms: 0,
                }),
            );
        }
        if prompt.less != 0 || completion.less != 0 {
            let correction = UsageCorrection {
                source: source.as_str().to_owned(),
                model,
                prompt_tokens: prompt.less,
                completion_tokens: completion.less,
            };
            self.emit_custom(thread, USAGE_CORRECTION, &correction);
        }
    }

    pub(crate) fn estimate(&mut self, thread: ThreadIx, model: &str, tokens: u64, budget: u64) {
        self.emit(
            thread,
            SessionEvent::TokenEstimate(TokenEstimate {
                model: cap_id(model),
                request_tokens: count(tokens),
                budget: count(budget),
            }),
        );
    }

    /// A limit of the account is used up. Transcripts say of it only how much, in percent.
    pub(crate) fn limit_hit(&mut self, thread: ThreadIx, percent: u64) {
        let breach = UsageLimitBreach::TotalTokens {
            limit: 100,
            observed: percent,
        };
        let timestamp = self.at();
        self.emit(thread, GraphEvent::UsageLimitExceeded { breach, timestamp });
    }

    /// A compaction. Only its end is recorded, so that it begins and ends at the same place.
    pub(crate) fn compacted(&mut self, thread: ThreadIx, compaction: &Compaction) {
        let name = self.thread_name(thread);
        let trace_id = trace_id(&name, self.given(thread));
        self.emit(
            thread,
            SessionEvent::CompactionStarted(CompactionStart {
                trace_id,
                reason: cap_id(&compaction.reason),
                before_tokens: count(compaction.before_tokens),
                budget: count(compaction.budget),
            }),
        );
        // Both agents have a model write a summary of what they drop.
        let strategy = FallbackStrategy::Rlm;
        self.emit(
            thread,
            SessionEvent::CompactionCompleted(CompactionOutcome {
                trace_id,
                strategy,
                before_tokens: count(compaction.before_tokens),
                after_tokens: 0,
                kept_messages: compaction.kept_messages,
            }),
        );
        self.emit(
            thread,
            GraphEvent::ContextCompacted {
                dropped_chars: 0,
                retained_chars: compaction.retained_chars,
                timestamp: self.at(),
            },
        );
    }

    pub(crate) fn invoked(&mut self, thread: ThreadIx, agent: &str, sub_thread: &str) {
        self.emit(
            thread,
            GraphEvent::SubAgentInvoked {
                agent_id: cap_id(agent),
                sub_thread_id: cap_id(sub_thread),
                timestamp: self.at(),
            },
        );
    }

    pub(crate) fn handoff(&mut self, thread: ThreadIx, from: Option<&str>, to: &str) {
        self.emit(
            thread,
            GraphEvent::AgentHandoff {
                from: from.map(cap_id),
                to: cap_id(to),
                timestamp: self.at(),
            },
        );
    }

    pub(crate) fn resumed(&mut self, thread: ThreadIx, from: &str) {
        self.emit(
            thread,
            GraphEvent::Resumed {
                from_checkpoint: cap_id(from),
                timestamp: self.at(),
            },
        );
    }

    pub(crate) fn recalled(&mut self, thread: ThreadIx, tier: &str, key: &str, hits: usize) {
        self.emit(
            thread,
            GraphEvent::MemoryRecall {
                tier: cap_id(tier),
                namespace_key: cap_id(key),
                hits,
                timestamp: self.at(),
            },
        );
    }

    /// The conversation goes on from an earlier place of the thread: `parent_event` is the ordinal of the last
    /// event before it, minus 1.
    pub(crate) fn branched(&mut self, thread: ThreadIx, branch: &str, parent_event: u64) {
        self.emit(
            thread,
            GraphEvent::BranchCreated {
                branch_id: cap_id(branch),
                parent_event: count(parent_event),
                timestamp: self.at(),
            },
        );
    }
}

/// What a transcript says of a compaction; 0 where it says nothing.
#[derive(Debug, Default)]
pub(crate) struct Compaction {
    pub(crate) reason: String,
    pub(crate) before_tokens: u64,
    pub(crate) budget: u64,
    pub(crate) kept_messages: usize,
    pub(crate) retained_chars: usize,
}

/// From one figure to the next.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Change {
    more: u64,
    less: u64,
}

impl Change {
    pub(crate) const fn between(old: u64, new: u64) -> Self {
        Self {
            more: new.saturating_sub(old),
            less: old.saturating_sub(new),
        }
    }

    pub(crate) const fn more(self) -> u64 {
        self.more
    }
}

/// Milliseconds from one time to another; 0 where the clock stepped back.
pub(crate) fn millis(from: DateTime<Utc>, to: DateTime<Utc>) -> u64 {
    u64::try_from((to - from).num_milliseconds()).unwrap_or(0)
}

pub(crate) fn count(tokens: u64) -> usize {
    usize::try_from(tokens).unwrap_or(usize::MAX)
}

/// An id that the same compaction always has: FNV-1a of its place, marked as a custom UUID (version 8).
fn trace_id(thread: &str, place: u64) -> Uuid {
    const PRIME: u128 = 0x0000_0000_0100_0000_0000_0000_0000_013b;
    let mut hash: u128 = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d;
    for byte in thread.bytes().chain(place.to_be_bytes()) {
        hash = (hash ^ u128::from(byte)).wrapping_mul(PRIME);
    }
    let mut bytes = hash.to_be_bytes();
    bytes[6] = bytes[6] & 0x0f | 0x80;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    Uuid::from_bytes(bytes)
}
