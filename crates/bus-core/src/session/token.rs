//! What models consume.

use serde::{Deserialize, Serialize};

/// Who made a model call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum TokenSource {
    /// The session's own loop.
    Root,
    /// An iteration of an RLM loop.
    RlmIteration,
    /// A sub-model called by an RLM loop.
    RlmSubcall,
    /// A model inside a tool: also a sub-agent.
    ToolEmbedded,
}

impl TokenSource {
    /// The name on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Root => "root",
            Self::RlmIteration => "rlm_iteration",
            Self::RlmSubcall => "rlm_subcall",
            Self::ToolEmbedded => "tool_embedded",
        }
    }

    /// True for the two sources inside an RLM loop.
    #[must_use]
    pub const fn is_rlm(self) -> bool {
        matches!(self, Self::RlmIteration | Self::RlmSubcall)
    }
}

/// What one model call consumed.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct TokenDelta {
    /// Who made the call.
    pub source: TokenSource,
    /// The model.
    pub model: String,
    /// Prompt tokens, those read from or written to a cache included.
    pub prompt_tokens: usize,
    /// Completion tokens, reasoning included.
    pub completion_tokens: usize,
    /// Duration in milliseconds; 0 if unknown.
    pub duration_ms: u64,
}

impl TokenDelta {
    /// Prompt and completion together; saturates.
    #[must_use]
    pub const fn total(&self) -> usize {
        self.prompt_tokens.saturating_add(self.completion_tokens)
    }
}

/// How large the next request will be.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct TokenEstimate {
    /// The model that will be asked.
    pub model: String,
    /// Estimated tokens of the request.
    pub request_tokens: usize,
    /// Tokens that the model takes at most.
    pub budget: usize,
}

impl TokenEstimate {
    /// `request_tokens / budget`; above 1.0 where it does not fit, 0.0 for a budget of 0.
    #[must_use]
    pub fn fraction(&self) -> f64 {
        super::ratio(self.request_tokens, self.budget)
    }

    /// True if the request does not fit.
    #[must_use]
    pub const fn is_over_budget(&self) -> bool {
        self.request_tokens > self.budget
    }
}
