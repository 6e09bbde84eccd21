//! How a framework records what must be accounted for.

use crate::UsageLimitBreach;

/// Takes audit records, fire-and-forget.
///
/// A framework calls these where the thing happens and never looks back: an implementation must not
/// block for long, must not panic, and must keep one caller's records in order. What it can't keep
/// it counts. `bus-log`'s `SessionAuditSink` is the one that writes them to a session log.
///
/// Installed with [`ExecutionContext::with_audit_sink`](crate::ExecutionContext::with_audit_sink).
pub trait AuditSink: Send + Sync + 'static {
    /// A sub-agent was started, in a thread of its own.
    fn record_sub_agent_invoked(&self, agent_id: &str, sub_thread_id: &str);

    /// Control went from one agent to another; from nobody at the start.
    fn record_agent_handoff(&self, from: Option<&str>, to: &str);

    /// A run went on from a checkpoint; an empty id means from none.
    fn record_resumed(&self, from_checkpoint: &str);

    /// A memory tier was asked and gave `hits` records.
    fn record_memory_recall(&self, tier: &str, namespace_key: &str, hits: usize);

    /// A limit of the run was hit.
    fn record_usage_limit_exceeded(&self, breach: &UsageLimitBreach);

    /// The context was compacted: sizes in characters.
    fn record_context_compacted(&self, dropped_chars: usize, retained_chars: usize);
}
