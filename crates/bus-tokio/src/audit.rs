//! Audit records, fire-and-forget.

use std::io;
use std::sync::Arc;

use bus_core::{AuditSink, GraphEvent, UsageLimitBreach, Utc};

use crate::SessionBus;
use crate::bus::Core;
use crate::line::{Addressee, Cargo, Parcel};
use crate::receipt::warn_not_durable;
use crate::wait::waiting;

impl SessionBus {
    /// The bus as an [`AuditSink`], to be installed in an
    /// [`ExecutionContext`](bus_core::ExecutionContext).
    ///
    /// Each `record_*` goes to the log or sink, if there is one, and is then broadcast to
    /// [envelope subscribers](Self::subscribe_envelopes) with its ordinal, in the one order with all
    /// other durable events. The call itself waits for neither.
    ///
    /// It does **not** count as a clone of the bus: subscribers find the end when the last clone is
    /// gone, however many audit sinks are left in contexts that somebody kept. What is recorded from
    /// then on still goes to the log, which the audit sink does keep open.
    #[must_use]
    pub fn audit_sink(&self) -> Arc<dyn AuditSink> {
        Arc::new(BusAudit(Arc::clone(self.core())))
    }

    /// Waits until everything that was handed to this bus before, audit records included, is durable
    /// or has failed, and was broadcast.
    pub async fn flush(&self) {
        let (teller, waiting) = waiting();
        let line = &self.core().line;
        line.defer(Parcel {
            sinks: None,
            cargo: Cargo::Flush(teller),
        });
        line.pump();
        waiting.await;
    }
}

struct BusAudit(Arc<Core>);

impl BusAudit {
    fn record(&self, event: GraphEvent) {
        let core = &self.0;
        let at = *event.timestamp();
        let event = event.into();
        let Some(sinks) = &core.sinks else {
            core.broadcast(event, at);
            return;
        };
        if core.line.is_crowded() {
            let seq = core.broadcast(event, at);
            warn_not_durable(
                seq,
                &io::Error::other("too many audit records wait for the sink"),
            );
            return;
        }
        let parcel = core.parcel(sinks, event, at, Addressee::Nobody);
        core.line.defer(parcel);
        core.line.pump();
    }
}

impl AuditSink for BusAudit {
    fn record_sub_agent_invoked(&self, agent_id: &str, sub_thread_id: &str) {
        self.record(GraphEvent::SubAgentInvoked {
            agent_id: agent_id.to_owned(),
            sub_thread_id: sub_thread_id.to_owned(),
            timestamp: Utc::now(),
        });
    }

    fn record_agent_handoff(&self, from: Option<&str>, to: &str) {
        self.record(GraphEvent::AgentHandoff {
            from: from.map(str::to_owned),
            to: to.to_owned(),
            timestamp: Utc::now(),
        });
    }

    fn record_resumed(&self, from_checkpoint: &str) {
        self.record(GraphEvent::Resumed {
            from_checkpoint: from_checkpoint.to_owned(),
            timestamp: Utc::now(),
        });
    }

    fn record_memory_recall(&self, tier: &str, namespace_key: &str, hits: usize) {
        self.record(GraphEvent::MemoryRecall {
            tier: tier.to_owned(),
            namespace_key: namespace_key.to_owned(),
            hits,
            timestamp: Utc::now(),
        });
    }

    fn record_usage_limit_exceeded(&self, breach: &UsageLimitBreach) {
        self.record(GraphEvent::UsageLimitExceeded {
            breach: breach.clone(),
            timestamp: Utc::now(),
        });
    }

    fn record_context_compacted(&self, dropped_chars: usize, retained_chars: usize) {
        self.record(GraphEvent::ContextCompacted {
            dropped_chars,
            retained_chars,
            timestamp: Utc::now(),
        });
    }
}
