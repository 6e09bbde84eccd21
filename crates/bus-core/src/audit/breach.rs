//! Limits that were hit.

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

/// A limit of a run, and what was observed when it was hit.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum UsageLimitBreach {
    /// Requests to a model.
    Requests {
        /// The limit.
        limit: u64,
        /// The count that hit it.
        observed: u64,
    },
    /// Prompt tokens.
    InputTokens {
        /// The limit.
        limit: u64,
        /// The count that hit it.
        observed: u64,
    },
    /// Completion tokens.
    OutputTokens {
        /// The limit.
        limit: u64,
        /// The count that hit it.
        observed: u64,
    },
    /// Prompt and completion tokens.
    TotalTokens {
        /// The limit.
        limit: u64,
        /// The count that hit it.
        observed: u64,
    },
    /// Tool calls.
    ToolCalls {
        /// The limit.
        limit: u64,
        /// The count that hit it.
        observed: u64,
    },
    /// Cost in US dollars. Written as decimal strings, so that no reader rounds it.
    CostUsd {
        /// The limit.
        #[serde(with = "rust_decimal::serde::str")]
        limit: Decimal,
        /// The cost that hit it.
        #[serde(with = "rust_decimal::serde::str")]
        observed: Decimal,
    },
}

impl UsageLimitBreach {
    /// The limited quantity, as on the wire.
    #[must_use]
    pub const fn axis_name(&self) -> &'static str {
        match self {
            Self::Requests { .. } => "requests",
            Self::InputTokens { .. } => "input_tokens",
            Self::OutputTokens { .. } => "output_tokens",
            Self::TotalTokens { .. } => "total_tokens",
            Self::ToolCalls { .. } => "tool_calls",
            Self::CostUsd { .. } => "cost_usd",
        }
    }
}
