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
    /// Cost in US dollars. Written as decimal strings, so that no reader rounds it, and read from
    /// those only that need no rounding.
    CostUsd {
        /// The limit.
        #[serde(with = "exact")]
        limit: Decimal,
        /// The cost that hit it.
        #[serde(with = "exact")]
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

/// As `rust_decimal::serde::str`, which rounds what it can't hold.
mod exact {
    use std::borrow::Cow;

    use rust_decimal::Decimal;
    use serde::de::{Error, Unexpected};
    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(
        amount: &Decimal,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_str(amount)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Decimal, D::Error> {
        let text = Cow::<str>::deserialize(deserializer)?;
        Decimal::from_str_exact(&text).map_err(|_| {
            D::Error::invalid_value(
                Unexpected::Str(&text),
                &"a decimal number that needs no rounding",
            )
        })
    }
}
