//! The 19 things a session can say.

use serde::{Deserialize, Serialize};

use super::{
    CompactionFailure, CompactionOutcome, CompactionStart, ContextTruncation, RlmCompletion,
    RlmProgressEvent, RlmSubcallFallback, Session, TokenDelta, TokenEstimate,
};

/// One event of a running session.
///
/// On the wire it is `{"type":"session.token_usage","data":{…}}`: a newtype variant's data is the
/// bare value, a unit variant has none. The form only ever grows. Read it through
/// [`Event`](crate::Event): serde's own way in needs `type` before `data`.
///
/// Which variants must survive a crash is said by [`is_durable`](Self::is_durable); the rest feed
/// live screens and may be dropped by a slow reader, which is told how many it lost.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", content = "data")]
#[non_exhaustive]
pub enum SessionEvent {
    /// The model is working and has said nothing yet.
    #[serde(rename = "session.thinking")]
    Thinking,
    /// A tool call begins.
    #[serde(rename = "session.tool_call_start")]
    ToolCallStart {
        /// The tool.
        name: String,
        /// Its arguments as the model wrote them, usually JSON.
        arguments: String,
    },
    /// A tool call ended.
    #[serde(rename = "session.tool_call_complete")]
    ToolCallComplete {
        /// The tool.
        name: String,
        /// What it returned, as text.
        output: String,
        /// Whether it succeeded.
        success: bool,
        /// How long it took, in milliseconds; 0 if unknown.
        duration_ms: u64,
    },
    /// A piece of the answer, as it streams in.
    #[serde(rename = "session.text_chunk")]
    TextChunk(String),
    /// The whole answer of one step.
    #[serde(rename = "session.text_complete")]
    TextComplete(String),
    /// The whole readable reasoning of one step.
    #[serde(rename = "session.thinking_complete")]
    ThinkingComplete(String),
    /// Tokens and time of a turn, summed. [`TokenUsage`](Self::TokenUsage) is the durable record.
    #[serde(rename = "session.usage_report")]
    UsageReport {
        /// Prompt tokens.
        prompt_tokens: usize,
        /// Completion tokens.
        completion_tokens: usize,
        /// Duration in milliseconds; 0 if unknown.
        duration_ms: u64,
        /// The model.
        model: String,
    },
    /// The session's state, for whoever keeps a copy. Sinks write it to a log without its messages:
    /// see [`without_messages`](Self::without_messages).
    #[serde(rename = "session.session_sync")]
    SessionSync(Box<Session>),
    /// The turn is over.
    #[serde(rename = "session.done")]
    Done,
    /// The turn failed.
    #[serde(rename = "session.error")]
    Error(String),
    /// How large the next request will be.
    #[serde(rename = "session.token_estimate")]
    TokenEstimate(TokenEstimate),
    /// What one model call consumed. Durable.
    #[serde(rename = "session.token_usage")]
    TokenUsage(TokenDelta),
    /// A running RLM loop reached its next iteration.
    #[serde(rename = "session.rlm_progress")]
    RlmProgress(RlmProgressEvent),
    /// An RLM loop ended. Durable.
    #[serde(rename = "session.rlm_complete")]
    RlmComplete(RlmCompletion),
    /// The context is being compacted. Durable.
    #[serde(rename = "session.compaction_started")]
    CompactionStarted(CompactionStart),
    /// The context was compacted. Durable.
    #[serde(rename = "session.compaction_completed")]
    CompactionCompleted(CompactionOutcome),
    /// No strategy brought the context under its budget. Durable.
    #[serde(rename = "session.compaction_failed")]
    CompactionFailed(CompactionFailure),
    /// Part of the context was cut off. Durable.
    #[serde(rename = "session.context_truncated")]
    ContextTruncated(ContextTruncation),
    /// The requested sub-model was unavailable; another model answered. Durable: it costs differently.
    #[serde(rename = "session.rlm_subcall_fallback")]
    RlmSubcallFallback(RlmSubcallFallback),
}

impl SessionEvent {
    /// True for events that must be on disk before the emitting call returns: token usage, the end
    /// of an RLM loop, everything about compaction and truncation, and sub-call fallbacks.
    ///
    /// ```
    /// use bus_core::SessionEvent;
    ///
    /// assert!(!SessionEvent::TextChunk("hi".into()).is_durable());
    /// ```
    #[must_use]
    pub const fn is_durable(&self) -> bool {
        matches!(
            self,
            Self::TokenUsage(_)
                | Self::RlmComplete(_)
                | Self::CompactionStarted(_)
                | Self::CompactionCompleted(_)
                | Self::CompactionFailed(_)
                | Self::ContextTruncated(_)
                | Self::RlmSubcallFallback(_)
        )
    }

    /// The `type` on the wire.
    #[must_use]
    pub const fn event_type(&self) -> &'static str {
        match self {
            Self::Thinking => "session.thinking",
            Self::ToolCallStart { .. } => "session.tool_call_start",
            Self::ToolCallComplete { .. } => "session.tool_call_complete",
            Self::TextChunk(_) => "session.text_chunk",
            Self::TextComplete(_) => "session.text_complete",
            Self::ThinkingComplete(_) => "session.thinking_complete",
            Self::UsageReport { .. } => "session.usage_report",
            Self::SessionSync(_) => "session.session_sync",
            Self::Done => "session.done",
            Self::Error(_) => "session.error",
            Self::TokenEstimate(_) => "session.token_estimate",
            Self::TokenUsage(_) => "session.token_usage",
            Self::RlmProgress(_) => "session.rlm_progress",
            Self::RlmComplete(_) => "session.rlm_complete",
            Self::CompactionStarted(_) => "session.compaction_started",
            Self::CompactionCompleted(_) => "session.compaction_completed",
            Self::CompactionFailed(_) => "session.compaction_failed",
            Self::ContextTruncated(_) => "session.context_truncated",
            Self::RlmSubcallFallback(_) => "session.rlm_subcall_fallback",
        }
    }

    /// The event as sinks write it: a [`SessionSync`](Self::SessionSync) without its messages,
    /// which the log has already, one event each; anything else unchanged.
    #[must_use]
    pub fn without_messages(self) -> Self {
        match self {
            Self::SessionSync(mut session) => {
                session.messages = Vec::new();
                Self::SessionSync(session)
            }
            other => other,
        }
    }
}
