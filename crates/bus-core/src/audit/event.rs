//! One record of the audit trail.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::{ContentPart, Json, ToolResultContent, Usage, UsageLimitBreach};

macro_rules! graph_events {
    ($( $(#[$doc:meta])* $wire:literal $name:ident { $( $(#[$fdoc:meta])* $field:ident : $ty:ty, )* } )*) => {
        /// One record of the audit trail.
        ///
        /// Each carries the time at which it was recorded. Folding a thread's records, oldest first,
        /// gives the conversation: see [`SessionGraph`](crate::SessionGraph).
        ///
        /// On the wire it is `{"type":"audit.agent_handoff","data":{…}}`. The form only ever grows.
        /// Read it through [`Event`](crate::Event): serde's own way in needs `type` before `data`.
        #[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(tag = "type", content = "data")]
        #[non_exhaustive]
        pub enum GraphEvent {
            $( $(#[$doc])* #[serde(rename = $wire)] $name {
                $( $(#[$fdoc])* $field: $ty, )*
                /// When it was recorded.
                #[serde(serialize_with = "crate::time::serialize")]
                timestamp: DateTime<Utc>,
            }, )*
        }

        impl GraphEvent {
            /// When it was recorded.
            #[must_use]
            pub const fn timestamp(&self) -> &DateTime<Utc> {
                match self { $( Self::$name { timestamp, .. } )|* => timestamp }
            }

            /// The `type` on the wire.
            #[must_use]
            pub const fn event_type(&self) -> &'static str {
                match self { $( Self::$name { .. } => $wire, )* }
            }
        }
    };
}

graph_events! {
    /// The user said something.
    "audit.user_message" UserMessage {
        /// What was said.
        content: Vec<ContentPart>,
    }
    /// The model answered.
    "audit.assistant_message" AssistantMessage {
        /// What was said.
        content: Vec<ContentPart>,
        /// What it cost, where known.
        usage: Option<Usage>,
    }
    /// The model called a tool.
    "audit.tool_call" ToolCall {
        /// Id that the result will name.
        id: String,
        /// The tool.
        name: String,
        /// Its input, verbatim.
        input: Json,
    }
    /// A tool returned.
    "audit.tool_result" ToolResult {
        /// Id of the call it answers.
        tool_use_id: String,
        /// The tool.
        name: String,
        /// What it returned.
        content: ToolResultContent,
        /// True if the tool reported an error.
        is_error: bool,
    }
    /// A piece of the model's reasoning.
    "audit.thinking_delta" ThinkingDelta {
        /// The piece.
        text: String,
    }
    /// Another thread was forked off here.
    "audit.branch_created" BranchCreated {
        /// The new thread.
        branch_id: String,
        /// The ordinal, in the parent, of the last event that both share, minus 1. An index into a
        /// [`SessionGraph`](crate::SessionGraph) is that only if the graph holds every event of the thread from
        /// ordinal 1.
        parent_event: usize,
    }
    /// The state at this place was saved.
    "audit.checkpoint_marker" CheckpointMarker {
        /// Id of what was saved.
        checkpoint_id: String,
        /// The thread it was saved under.
        thread_id: String,
    }
    /// The context was compacted.
    "audit.context_compacted" ContextCompacted {
        /// Characters dropped; 0 if unknown.
        dropped_chars: usize,
        /// Characters kept; 0 if unknown.
        retained_chars: usize,
    }
    /// A sub-agent was started.
    "audit.sub_agent_invoked" SubAgentInvoked {
        /// The sub-agent.
        agent_id: String,
        /// The thread its own events are in.
        sub_thread_id: String,
    }
    /// Control went from one agent to another.
    "audit.agent_handoff" AgentHandoff {
        /// Who gave it; nobody at the start.
        from: Option<String>,
        /// Who has it now.
        to: String,
    }
    /// A run went on from a checkpoint.
    "audit.resumed" Resumed {
        /// Id of the checkpoint; empty if from none.
        from_checkpoint: String,
    }
    /// A memory tier was asked.
    "audit.memory_recall" MemoryRecall {
        /// The tier.
        tier: String,
        /// The part of it that was asked.
        namespace_key: String,
        /// Records it gave.
        hits: usize,
    }
    /// A limit was hit.
    "audit.usage_limit_exceeded" UsageLimitExceeded {
        /// Which, and by how much.
        breach: UsageLimitBreach,
    }
    /// Records were lost at this place of the log, and how many.
    "audit.audit_gap" AuditGap {
        /// Records lost.
        dropped: u64,
    }
    /// Something that did not stop the run, but should be known.
    "audit.warning" Warning {
        /// A short, stable name of what it is about.
        code: String,
        /// In words.
        message: String,
    }
    /// What a provider said of its limits.
    "audit.rate_limit" RateLimit {
        /// What it said.
        snapshot: RateLimitSnapshot,
    }
    /// The run stopped to ask a person, or was interrupted by one.
    "audit.interrupt" Interrupt {
        /// What the person saw or did, verbatim.
        payload: Json,
    }
    /// The run, or one call of it, was cancelled.
    "audit.cancelled" Cancelled {
        /// Why.
        reason: String,
    }
    /// Something failed.
    "audit.error" Error {
        /// A short, stable name of the kind of failure.
        class: String,
        /// In words.
        message: String,
    }
}

/// What a provider said of its limits, as far as it said anything.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RateLimitSnapshot {
    /// Requests left in the window.
    pub requests_remaining: Option<u64>,
    /// Tokens left in the window.
    pub tokens_remaining: Option<u64>,
    /// When the count of requests starts again.
    pub requests_reset_at: Option<DateTime<Utc>>,
    /// When the count of tokens starts again.
    pub tokens_reset_at: Option<DateTime<Utc>>,
    /// What else it said, by its own names.
    pub raw: BTreeMap<String, String>,
}
