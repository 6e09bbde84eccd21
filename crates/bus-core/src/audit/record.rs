//! What the methods of [`AuditSink`](crate::AuditSink) say, as events of now.

use chrono::{DateTime, Utc};

use crate::{GraphEvent, UsageLimitBreach};

/// For whoever implements [`AuditSink`](crate::AuditSink): each method's arguments as the event that
/// it records, now, to the microsecond as logs keep times.
impl GraphEvent {
    /// What [`record_sub_agent_invoked`](crate::AuditSink::record_sub_agent_invoked) records.
    #[must_use]
    pub fn sub_agent_invoked(agent_id: &str, sub_thread_id: &str) -> Self {
        Self::SubAgentInvoked {
            agent_id: agent_id.to_owned(),
            sub_thread_id: sub_thread_id.to_owned(),
            timestamp: now(),
        }
    }

    /// What [`record_agent_handoff`](crate::AuditSink::record_agent_handoff) records.
    #[must_use]
    pub fn agent_handoff(from: Option<&str>, to: &str) -> Self {
        Self::AgentHandoff {
            from: from.map(str::to_owned),
            to: to.to_owned(),
            timestamp: now(),
        }
    }

    /// What [`record_resumed`](crate::AuditSink::record_resumed) records.
    #[must_use]
    pub fn resumed(from_checkpoint: &str) -> Self {
        Self::Resumed {
            from_checkpoint: from_checkpoint.to_owned(),
            timestamp: now(),
        }
    }

    /// What [`record_memory_recall`](crate::AuditSink::record_memory_recall) records.
    #[must_use]
    pub fn memory_recall(tier: &str, namespace_key: &str, hits: usize) -> Self {
        Self::MemoryRecall {
            tier: tier.to_owned(),
            namespace_key: namespace_key.to_owned(),
            hits,
            timestamp: now(),
        }
    }

    /// What [`record_usage_limit_exceeded`](crate::AuditSink::record_usage_limit_exceeded) records.
    #[must_use]
    pub fn usage_limit_exceeded(breach: &UsageLimitBreach) -> Self {
        Self::UsageLimitExceeded {
            breach: breach.clone(),
            timestamp: now(),
        }
    }

    /// What [`record_context_compacted`](crate::AuditSink::record_context_compacted) records.
    #[must_use]
    pub fn context_compacted(dropped_chars: usize, retained_chars: usize) -> Self {
        Self::ContextCompacted {
            dropped_chars,
            retained_chars,
            timestamp: now(),
        }
    }
}

fn now() -> DateTime<Utc> {
    let now = Utc::now();
    DateTime::from_timestamp_micros(now.timestamp_micros()).unwrap_or(now)
}
