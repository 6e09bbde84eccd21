//! How a framework records what must be accounted for.

use crate::{GraphEvent, NoopSink, UsageLimitBreach};

/// Takes audit records, fire-and-forget.
///
/// A framework calls these where the thing happens and never looks back: an implementation must not
/// block for long, must not panic, and must keep one caller's records in order. What it can't keep
/// it counts. `bus-log`'s `SessionAuditSink` is the one that writes them to a session log.
///
/// Installed with [`ExecutionContext::with_audit_sink`](crate::ExecutionContext::with_audit_sink).
///
/// ```
/// use std::sync::atomic::{AtomicU64, Ordering};
/// use bus_core::{AuditSink, UsageLimitBreach};
///
/// /// Counts hand-offs, and takes no interest in the rest.
/// #[derive(Default)]
/// struct Handoffs(AtomicU64);
///
/// impl AuditSink for Handoffs {
///     fn record_agent_handoff(&self, _from: Option<&str>, _to: &str) {
///         self.0.fetch_add(1, Ordering::Relaxed);
///     }
///     fn record_sub_agent_invoked(&self, _: &str, _: &str) {}
///     fn record_resumed(&self, _: &str) {}
///     fn record_memory_recall(&self, _: &str, _: &str, _: usize) {}
///     fn record_usage_limit_exceeded(&self, _: &UsageLimitBreach) {}
///     fn record_context_compacted(&self, _: usize, _: usize) {}
/// }
///
/// let audit = Handoffs::default();
/// audit.record_agent_handoff(None, "planner");
/// audit.record_agent_handoff(Some("planner"), "coder");
/// assert_eq!(audit.0.load(Ordering::Relaxed), 2);
/// ```
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

    /// Records any event of the audit trail, with its own time. False if the sink has no way to: the event is lost.
    ///
    /// The default knows no more than the six methods above: what they can say is given to them, which record it as of
    /// now, and the rest is lost.
    ///
    /// ```
    /// use bus_core::{AuditSink, GraphEvent, NoopSink, Utc};
    ///
    /// let said = GraphEvent::Warning {
    ///     code: "repeats".into(),
    ///     message: "the model repeats itself".into(),
    ///     timestamp: Utc::now(),
    /// };
    /// assert!(NoopSink.record_event(said));
    /// ```
    fn record_event(&self, event: GraphEvent) -> bool {
        match &event {
            GraphEvent::SubAgentInvoked {
                agent_id,
                sub_thread_id,
                ..
            } => self.record_sub_agent_invoked(agent_id, sub_thread_id),
            GraphEvent::AgentHandoff { from, to, .. } => {
                self.record_agent_handoff(from.as_deref(), to);
            }
            GraphEvent::Resumed {
                from_checkpoint, ..
            } => self.record_resumed(from_checkpoint),
            GraphEvent::MemoryRecall {
                tier,
                namespace_key,
                hits,
                ..
            } => self.record_memory_recall(tier, namespace_key, *hits),
            GraphEvent::UsageLimitExceeded { breach, .. } => {
                self.record_usage_limit_exceeded(breach);
            }
            GraphEvent::ContextCompacted {
                dropped_chars,
                retained_chars,
                ..
            } => self.record_context_compacted(*dropped_chars, *retained_chars),
            _ => return false,
        }
        true
    }
}

impl<T: AuditSink + ?Sized> AuditSink for std::sync::Arc<T> {
    fn record_sub_agent_invoked(&self, agent_id: &str, sub_thread_id: &str) {
        (**self).record_sub_agent_invoked(agent_id, sub_thread_id);
    }

    fn record_agent_handoff(&self, from: Option<&str>, to: &str) {
        (**self).record_agent_handoff(from, to);
    }

    fn record_resumed(&self, from_checkpoint: &str) {
        (**self).record_resumed(from_checkpoint);
    }

    fn record_memory_recall(&self, tier: &str, namespace_key: &str, hits: usize) {
        (**self).record_memory_recall(tier, namespace_key, hits);
    }

    fn record_usage_limit_exceeded(&self, breach: &UsageLimitBreach) {
        (**self).record_usage_limit_exceeded(breach);
    }

    fn record_context_compacted(&self, dropped_chars: usize, retained_chars: usize) {
        (**self).record_context_compacted(dropped_chars, retained_chars);
    }

    fn record_event(&self, event: GraphEvent) -> bool {
        (**self).record_event(event)
    }
}

/// Keeps nothing.
impl AuditSink for NoopSink {
    fn record_sub_agent_invoked(&self, _agent_id: &str, _sub_thread_id: &str) {}

    fn record_agent_handoff(&self, _from: Option<&str>, _to: &str) {}

    fn record_resumed(&self, _from_checkpoint: &str) {}

    fn record_memory_recall(&self, _tier: &str, _namespace_key: &str, _hits: usize) {}

    fn record_usage_limit_exceeded(&self, _breach: &UsageLimitBreach) {}

    fn record_context_compacted(&self, _dropped_chars: usize, _retained_chars: usize) {}

    fn record_event(&self, _event: GraphEvent) -> bool {
        true
    }
}
