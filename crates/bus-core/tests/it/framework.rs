//! A framework that knows nothing but this crate, and a host that looks at what it did.

use std::sync::{Arc, Mutex};

use bus_core::*;

/// The framework: emits through what it was given, records where the context says.
fn run_agent(events: &dyn EventEmitter, ctx: &ExecutionContext) {
    events.emit(SessionEvent::Thinking);
    if let Some(audit) = ctx.audit_sink() {
        audit.record_agent_handoff(None, "planner");
        audit.record_sub_agent_invoked("searcher", "s-1/searcher");
        audit.record_memory_recall("semantic", "docs", 3);
        audit.record_usage_limit_exceeded(&UsageLimitBreach::Requests {
            limit: 1,
            observed: 2,
        });
        audit.record_context_compacted(100, 20);
        audit.record_resumed("c-1");
    }
    events.emit(SessionEvent::Done);
}

#[derive(Default)]
struct Host(Mutex<Vec<String>>);

impl Host {
    fn note(&self, what: String) {
        self.0.lock().unwrap().push(what);
    }
}

impl EventEmitter for Host {
    fn emit(&self, event: SessionEvent) {
        self.note(event.event_type().to_owned());
    }
}

impl AuditSink for Host {
    fn record_sub_agent_invoked(&self, agent_id: &str, sub_thread_id: &str) {
        self.note(format!("{agent_id} in {sub_thread_id}"));
    }

    fn record_agent_handoff(&self, from: Option<&str>, to: &str) {
        self.note(format!("{from:?} to {to}"));
    }

    fn record_resumed(&self, from_checkpoint: &str) {
        self.note(format!("resumed {from_checkpoint}"));
    }

    fn record_memory_recall(&self, tier: &str, namespace_key: &str, hits: usize) {
        self.note(format!("{hits} of {tier}/{namespace_key}"));
    }

    fn record_usage_limit_exceeded(&self, breach: &UsageLimitBreach) {
        self.note(breach.axis_name().to_owned());
    }

    fn record_context_compacted(&self, dropped_chars: usize, retained_chars: usize) {
        self.note(format!("-{dropped_chars} ={retained_chars}"));
    }
}

#[test]
fn a_framework_on_the_core_alone_emits_and_records_in_order() {
    let host = Arc::new(Host::default());
    let ctx = ExecutionContext::new().with_audit_sink(host.clone());
    run_agent(&host, &ctx);
    let seen = [
        "session.thinking",
        "None to planner",
        "searcher in s-1/searcher",
        "3 of semantic/docs",
        "requests",
        "-100 =20",
        "resumed c-1",
        "session.done",
    ];
    assert_eq!(*host.0.lock().unwrap(), seen);
    run_agent(&Arc::new(Host::default()), &ExecutionContext::new());
}
