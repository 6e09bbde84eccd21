//! A record as bytes: making one costs its caller no allocation, and keeping it no more than it is.

use bus_core::{Decimal, GraphEvent, UsageLimitBreach};
use chrono::DateTime;

use super::gate::weight_of;

/// What the methods of [`AuditSink`](bus_core::AuditSink) say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Record<'a> {
    SubAgentInvoked {
        agent_id: &'a str,
        sub_thread_id: &'a str,
    },
    AgentHandoff {
        from: Option<&'a str>,
        to: &'a str,
    },
    Resumed {
        from_checkpoint: &'a str,
    },
    MemoryRecall {
        tier: &'a str,
        namespace_key: &'a str,
        hits: usize,
    },
    ContextCompacted {
        dropped_chars: usize,
        retained_chars: usize,
    },
    Count {
        axis: Axis,
        limit: u64,
        observed: u64,
    },
    Cost {
        limit: Decimal,
        observed: Decimal,
    },
}

/// What is counted, of the limits that are counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Axis {
    Requests,
    InputTokens,
    OutputTokens,
    TotalTokens,
    ToolCalls,
}

/// The first kind of record. Those below are marks of the queue.
pub(super) const FIRST: u8 = 0x10;
const SUB_AGENT_INVOKED: u8 = FIRST;
const HANDOFF_FROM: u8 = FIRST + 1;
const HANDOFF_FROM_NOBODY: u8 = FIRST + 2;
const RESUMED: u8 = FIRST + 3;
const MEMORY_RECALL: u8 = FIRST + 4;
const CONTEXT_COMPACTED: u8 = FIRST + 5;
const COST: u8 = FIRST + 6;
const COUNT: u8 = FIRST + 7;

/// Set in the kind of a record whose caller wants to know.
pub(super) const TICKETED: u8 = 0x80;

const AXES: [Axis; 5] = [
    Axis::Requests,
    Axis::InputTokens,
    Axis::OutputTokens,
    Axis::TotalTokens,
    Axis::ToolCalls,
];

/// Bytes of a number, at most.
const NUMBER: usize = 10;

/// Bytes of what every record has: its kind, its place after the one before, and its time.
const HEADER: usize = 1 + NUMBER + size_of::<i64>();

impl<'a> Record<'a> {
    /// `None` for a limit that this version does not know.
    pub(super) const fn of_breach(breach: &UsageLimitBreach) -> Option<Self> {
        use UsageLimitBreach as B;
        let (axis, limit, observed) = match breach {
            B::Requests { limit, observed } => (Axis::Requests, *limit, *observed),
            B::InputTokens { limit, observed } => (Axis::InputTokens, *limit, *observed),
            B::OutputTokens { limit, observed } => (Axis::OutputTokens, *limit, *observed),
            B::TotalTokens { limit, observed } => (Axis::TotalTokens, *limit, *observed),
            B::ToolCalls { limit, observed } => (Axis::ToolCalls, *limit, *observed),
            B::CostUsd { limit, observed } => {
                let (limit, observed) = (*limit, *observed);
                return Some(Self::Cost { limit, observed });
            }
            _ => return None,
        };
        Some(Self::Count {
            axis,
            limit,
            observed,
        })
    }

    /// What `event` says, and when, in microseconds, if it is one that a method of the trait makes.
    pub(super) fn of(event: &'a GraphEvent) -> Option<(i64, Self)> {
        let record = match event {
            GraphEvent::SubAgentInvoked {
                agent_id,
                sub_thread_id,
                ..
            } => Self::SubAgentInvoked {
                agent_id,
                sub_thread_id,
            },
            GraphEvent::AgentHandoff { from, to, .. } => Self::AgentHandoff {
                from: from.as_deref(),
                to,
            },
            GraphEvent::Resumed {
                from_checkpoint, ..
            } => Self::Resumed { from_checkpoint },
            GraphEvent::MemoryRecall {
                tier,
                namespace_key,
                hits,
                ..
            } => Self::MemoryRecall {
                tier,
                namespace_key,
                hits: *hits,
            },
            GraphEvent::ContextCompacted {
                dropped_chars,
                retained_chars,
                ..
            } => Self::ContextCompacted {
                dropped_chars: *dropped_chars,
                retained_chars: *retained_chars,
            },
            GraphEvent::UsageLimitExceeded { breach, .. } => Self::of_breach(breach)?,
            _ => return None,
        };
        let at = event.timestamp().timestamp_micros();
        // The log cuts an entry's time off to the microsecond, but nothing inside an event.
        let is_exact = DateTime::from_timestamp_micros(at).as_ref() == Some(event.timestamp());
        is_exact.then_some((at, record))
    }

    /// The event that it says, at `at` microseconds since 1970.
    pub(super) fn event(self, at: i64) -> GraphEvent {
        let timestamp = DateTime::from_timestamp_micros(at).unwrap_or_default();
        match self {
            Self::SubAgentInvoked {
                agent_id,
                sub_thread_id,
            } => GraphEvent::SubAgentInvoked {
                agent_id: agent_id.to_owned(),
                sub_thread_id: sub_thread_id.to_owned(),
                timestamp,
            },
            Self::AgentHandoff { from, to } => GraphEvent::AgentHandoff {
                from: from.map(str::to_owned),
                to: to.to_owned(),
                timestamp,
            },
            Self::Resumed { from_checkpoint } => GraphEvent::Resumed {
                from_checkpoint: from_checkpoint.to_owned(),
                timestamp,
            },
            Self::MemoryRecall {
                tier,
                namespace_key,
                hits,
            } => GraphEvent::MemoryRecall {
                tier: tier.to_owned(),
                namespace_key: namespace_key.to_owned(),
                hits,
                timestamp,
            },
            Self::ContextCompacted {
                dropped_chars,
                retained_chars,
            } => GraphEvent::ContextCompacted {
                dropped_chars,
                retained_chars,
                timestamp,
            },
            Self::Count {
                axis,
                limit,
                observed,
            } => GraphEvent::UsageLimitExceeded {
                breach: axis.breach(limit, observed),
                timestamp,
            },
            Self::Cost { limit, observed } => GraphEvent::UsageLimitExceeded {
                breach: UsageLimitBreach::CostUsd { limit, observed },
                timestamp,
            },
        }
    }

    /// Bytes that it takes, at most: its weight in the queue.
    pub(super) fn weight(&self) -> usize {
        let bytes = HEADER
            + match self {
                Self::SubAgentInvoked {
                    agent_id: a,
                    sub_thread_id: b,
                } => 2 * NUMBER + a.len() + b.len(),
                Self::AgentHandoff { from, to } => 2 * NUMBER + from.map_or(0, str::len) + to.len(),
                Self::Resumed { from_checkpoint } => NUMBER + from_checkpoint.len(),
                Self::MemoryRecall {
                    tier,
                    namespace_key,
                    ..
                } => 3 * NUMBER + tier.len() + namespace_key.len(),
                Self::ContextCompacted { .. } | Self::Count { .. } => 2 * NUMBER,
                Self::Cost { .. } => 2 * size_of::<Decimal>(),
            };
        weight_of(bytes)
    }

    /// What tells it from records of other kinds, without [`TICKETED`].
    pub(super) const fn kind(&self) -> u8 {
        match self {
            Self::SubAgentInvoked { .. } => SUB_AGENT_INVOKED,
            Self::AgentHandoff { from: Some(_), .. } => HANDOFF_FROM,
            Self::AgentHandoff { from: None, .. } => HANDOFF_FROM_NOBODY,
            Self::Resumed { .. } => RESUMED,
            Self::MemoryRecall { .. } => MEMORY_RECALL,
            Self::ContextCompacted { .. } => CONTEXT_COMPACTED,
            Self::Cost { .. } => COST,
            Self::Count { axis, .. } => COUNT + *axis as u8,
        }
    }

    /// Writes all but its kind behind what `out` holds.
    pub(super) fn write(&self, at: i64, out: &mut Vec<u8>) {
        out.extend_from_slice(&at.to_le_bytes());
        match *self {
            Self::SubAgentInvoked {
                agent_id,
                sub_thread_id,
            } => {
                write_text(agent_id, out);
                write_text(sub_thread_id, out);
            }
            Self::AgentHandoff {
                from: Some(from),
                to,
            } => {
                write_text(from, out);
                write_text(to, out);
            }
            Self::AgentHandoff { from: None, to } => {
                write_text(to, out);
            }
            Self::Resumed { from_checkpoint } => {
                write_text(from_checkpoint, out);
            }
            Self::MemoryRecall {
                tier,
                namespace_key,
                hits,
            } => {
                write_text(tier, out);
                write_text(namespace_key, out);
                write_number(hits as u64, out);
            }
            Self::ContextCompacted {
                dropped_chars,
                retained_chars,
            } => {
                write_number(dropped_chars as u64, out);
                write_number(retained_chars as u64, out);
            }
            Self::Cost { limit, observed } => {
                out.extend_from_slice(&limit.serialize());
                out.extend_from_slice(&observed.serialize());
            }
            Self::Count {
                limit, observed, ..
            } => {
                write_number(limit, out);
                write_number(observed, out);
            }
        }
    }

    /// Reads one of a `kind` from the start of `bytes`, with its time, and moves past it. They are
    /// what [`write`](Self::write) wrote.
    pub(super) fn read(kind: u8, bytes: &mut &'a [u8]) -> (i64, Self) {
        let at = take(bytes);
        let record = match kind & !TICKETED {
            SUB_AGENT_INVOKED => Self::SubAgentInvoked {
                agent_id: read_text(bytes),
                sub_thread_id: read_text(bytes),
            },
            HANDOFF_FROM => Self::AgentHandoff {
                from: Some(read_text(bytes)),
                to: read_text(bytes),
            },
            HANDOFF_FROM_NOBODY => Self::AgentHandoff {
                from: None,
                to: read_text(bytes),
            },
            RESUMED => Self::Resumed {
                from_checkpoint: read_text(bytes),
            },
            MEMORY_RECALL => Self::MemoryRecall {
                tier: read_text(bytes),
                namespace_key: read_text(bytes),
                hits: read_size(bytes),
            },
            CONTEXT_COMPACTED => Self::ContextCompacted {
                dropped_chars: read_size(bytes),
                retained_chars: read_size(bytes),
            },
            COST => Self::Cost {
                limit: Decimal::deserialize(take(bytes)),
                observed: Decimal::deserialize(take(bytes)),
            },
            count => Self::Count {
                axis: AXES[usize::from(count.saturating_sub(COUNT)).min(AXES.len() - 1)],
                limit: read_number(bytes),
                observed: read_number(bytes),
            },
        };
        (i64::from_le_bytes(at), record)
    }
}

impl Axis {
    const fn breach(self, limit: u64, observed: u64) -> UsageLimitBreach {
        use UsageLimitBreach as B;
        match self {
            Self::Requests => B::Requests { limit, observed },
            Self::InputTokens => B::InputTokens { limit, observed },
            Self::OutputTokens => B::OutputTokens { limit, observed },
            Self::TotalTokens => B::TotalTokens { limit, observed },
            Self::ToolCalls => B::ToolCalls { limit, observed },
        }
    }
}

fn write_text(text: &str, out: &mut Vec<u8>) {
    write_number(text.len() as u64, out);
    out.extend_from_slice(text.as_bytes());
}

/// Seven bits a byte, the lowest first; the last byte's top bit is clear.
pub(super) fn write_number(mut number: u64, out: &mut Vec<u8>) {
    while number >= 0x80 {
        out.push(number.to_le_bytes()[0] | 0x80);
        number >>= 7;
    }
    out.push(number.to_le_bytes()[0]);
}

fn read_text<'a>(bytes: &mut &'a [u8]) -> &'a str {
    let len = read_size(bytes).min(bytes.len());
    let (text, rest) = bytes.split_at(len);
    *bytes = rest;
    // It was one when it was written.
    std::str::from_utf8(text).unwrap_or_default()
}

fn read_size(bytes: &mut &[u8]) -> usize {
    // It was one when it was written.
    usize::try_from(read_number(bytes)).unwrap_or(usize::MAX)
}

pub(super) fn read_number(bytes: &mut &[u8]) -> u64 {
    let mut number = 0;
    for shift in (0..u64::BITS).step_by(7) {
        let [byte] = take(bytes);
        number |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            break;
        }
    }
    number
}

/// The next `N` bytes; zeros where there are not so many.
fn take<const N: usize>(bytes: &mut &[u8]) -> [u8; N] {
    match bytes.split_first_chunk() {
        Some((taken, rest)) => {
            *bytes = rest;
            *taken
        }
        None => [0; N],
    }
}

#[cfg(test)]
mod tests;
