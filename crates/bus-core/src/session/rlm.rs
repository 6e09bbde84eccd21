//! Recursive language model loops: a model that calls sub-models on parts of a long input.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// A running loop reached its next iteration.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct RlmProgressEvent {
    /// Joins all events of one loop.
    pub trace_id: Uuid,
    /// 1-based number of the iteration.
    pub iteration: usize,
    /// Iterations allowed.
    pub max_iterations: usize,
    /// What it is doing, in a word or two.
    pub status: String,
}

impl RlmProgressEvent {
    /// The part of the allowed iterations that is used up, 0.0 to 1.0; 0.0 if none is allowed.
    #[must_use]
    pub fn fraction(&self) -> f64 {
        super::ratio(self.iteration, self.max_iterations).clamp(0.0, 1.0)
    }
}

/// How a loop ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum RlmOutcome {
    /// With an answer.
    Converged,
    /// Without one, after the last allowed iteration.
    Exhausted,
    /// With an error.
    Failed,
    /// Because it was told to stop.
    Aborted,
}

impl RlmOutcome {
    /// The name on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Converged => "converged",
            Self::Exhausted => "exhausted",
            Self::Failed => "failed",
            Self::Aborted => "aborted",
        }
    }

    /// True only for [`Converged`](Self::Converged).
    #[must_use]
    pub const fn is_success(self) -> bool {
        matches!(self, Self::Converged)
    }
}

/// A loop ended.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct RlmCompletion {
    /// Joins all events of one loop.
    pub trace_id: Uuid,
    /// How it ended.
    pub outcome: RlmOutcome,
    /// Iterations run.
    pub iterations: usize,
    /// Sub-model calls made.
    pub subcalls: usize,
    /// Tokens of the input.
    pub input_tokens: usize,
    /// Tokens of the answer.
    pub output_tokens: usize,
    /// Duration in milliseconds.
    pub elapsed_ms: u64,
    /// Why it did not converge.
    pub reason: Option<String>,
    /// The model of the loop itself.
    pub root_model: String,
    /// The sub-model, where it was another one.
    pub subcall_model_used: Option<String>,
}

impl RlmCompletion {
    /// `output_tokens / input_tokens`: below 1.0 the answer is shorter; 0.0 for an empty input.
    #[must_use]
    pub fn compression_ratio(&self) -> f64 {
        super::ratio(self.output_tokens, self.input_tokens)
    }
}

/// The requested sub-model was unavailable; another model answered.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct RlmSubcallFallback {
    /// The model asked for.
    pub requested_model: String,
    /// The model that answered.
    pub fallback_model: String,
    /// Why.
    pub reason: String,
}
