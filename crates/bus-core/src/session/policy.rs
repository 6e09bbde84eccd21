//! How much of a session must survive a crash.

use serde::{Deserialize, Serialize};

use super::SessionEvent;
use crate::Event;

/// Which events go to the durable sink.
///
/// Audit and custom events are durable under every policy: they exist to be kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum DurabilityPolicy {
    /// Cost, compaction and RLM results: [`SessionEvent::is_durable`].
    #[default]
    Signals,
    /// The signals, tool calls, complete texts, errors and ends of turns: enough to show the
    /// conversation again.
    Transcript,
    /// Every event, every text chunk included.
    Everything,
}

impl DurabilityPolicy {
    /// The name, as in `--durability`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Signals => "signals",
            Self::Transcript => "transcript",
            Self::Everything => "everything",
        }
    }

    /// True if `event` must be durable under this policy.
    #[must_use]
    pub const fn covers(self, event: &SessionEvent) -> bool {
        match self {
            Self::Signals => event.is_durable(),
            Self::Transcript => {
                event.is_durable()
                    || matches!(
                        event,
                        SessionEvent::ToolCallStart { .. }
                            | SessionEvent::ToolCallComplete { .. }
                            | SessionEvent::TextComplete(_)
                            | SessionEvent::ThinkingComplete(_)
                            | SessionEvent::Error(_)
                            | SessionEvent::Done
                    )
            }
            Self::Everything => true,
        }
    }

    /// True if `event`, of whichever kind, must be durable under this policy.
    #[must_use]
    pub const fn covers_event(self, event: &Event) -> bool {
        match event {
            Event::Session(event) => self.covers(event),
            Event::Audit(_) | Event::Custom(_) => true,
        }
    }
}
