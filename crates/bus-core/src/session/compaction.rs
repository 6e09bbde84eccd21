//! Making a context smaller.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// A way to make a context smaller. They are tried in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum FallbackStrategy {
    /// An RLM loop writes a summary.
    Rlm,
    /// Chunks are compressed one by one.
    ChunkCompress,
    /// The oldest part is cut off.
    Truncate,
}

impl FallbackStrategy {
    /// The name on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Rlm => "rlm",
            Self::ChunkCompress => "chunk_compress",
            Self::Truncate => "truncate",
        }
    }

    /// True for the last resort, after which nothing else is tried.
    #[must_use]
    pub const fn is_terminal(self) -> bool {
        matches!(self, Self::Truncate)
    }
}

/// A compaction begins.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct CompactionStart {
    /// Joins all events of one compaction.
    pub trace_id: Uuid,
    /// Why now.
    pub reason: String,
    /// Tokens in the context; 0 if unknown.
    pub before_tokens: usize,
    /// Tokens that it may hold; 0 if unknown.
    pub budget: usize,
}

/// A compaction ended well.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct CompactionOutcome {
    /// Joins all events of one compaction.
    pub trace_id: Uuid,
    /// What brought it under the budget.
    pub strategy: FallbackStrategy,
    /// Tokens before; 0 if unknown.
    pub before_tokens: usize,
    /// Tokens after; 0 if unknown.
    pub after_tokens: usize,
    /// Messages kept as they were.
    pub kept_messages: usize,
}

impl CompactionOutcome {
    /// The part that went away, from 0.0 (nothing, or a context that grew) to 1.0 (all of it).
    #[must_use]
    pub fn reduction(&self) -> f64 {
        if self.before_tokens == 0 {
            return 0.0;
        }
        (1.0 - super::ratio(self.after_tokens, self.before_tokens)).clamp(0.0, 1.0)
    }
}

/// No strategy brought the context under its budget.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct CompactionFailure {
    /// Joins all events of one compaction.
    pub trace_id: Uuid,
    /// The last strategy tried, if any was.
    pub fell_back_to: Option<FallbackStrategy>,
    /// What went wrong.
    pub reason: String,
    /// Tokens left in the context.
    pub after_tokens: usize,
    /// Tokens that it may hold.
    pub budget: usize,
}

/// Part of the context was cut off.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ContextTruncation {
    /// Joins all events of one compaction.
    pub trace_id: Uuid,
    /// Tokens cut off.
    pub dropped_tokens: usize,
    /// Messages kept.
    pub kept_messages: usize,
    /// Where the part cut off can be found, if it was kept.
    pub archive_ref: Option<String>,
}
