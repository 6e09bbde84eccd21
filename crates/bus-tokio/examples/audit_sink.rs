//! Audit records: installed in a context, made deep inside a framework, seen live, and accounted for.
//!
//! ```sh
//! cargo run -p bus-tokio --example audit_sink
//! ```

use std::sync::Arc;

use bus_tokio::{
    ExecutionContext, InMemorySessionLog, SessionBus, SessionLog, TenantId, ThreadKey,
    UsageLimitBreach,
};

/// Somewhere deep inside a framework: it knows the context, and not who listens.
fn run_sub_agent(ctx: &ExecutionContext) {
    let Some(audit) = ctx.audit_sink() else {
        return;
    };
    audit.record_sub_agent_invoked("researcher", "session-7/researcher");
    audit.record_memory_recall("long-term", "acme/customers", 3);
    audit.record_usage_limit_exceeded(&UsageLimitBreach::ToolCalls {
        limit: 20,
        observed: 21,
    });
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let log = Arc::new(InMemorySessionLog::new());
    let ctx = ExecutionContext::new()
        .with_tenant_id(TenantId::new("acme"))
        .with_thread_id("session-7");
    let key = ThreadKey::from_ctx(&ctx)?;

    let bus = SessionBus::new(256).with_log(log.clone(), key.clone());
    let mut screen = bus.subscribe_envelopes();
    let ctx = ctx.with_audit_sink(bus.audit_sink());

    run_sub_agent(&ctx);

    // Closing proves what became of every record.
    if let Some(stats) = bus.close().await {
        println!(
            "accepted {}, written {}, dropped {}",
            stats.accepted, stats.written, stats.dropped
        );
        assert_eq!(stats.accepted, stats.written + stats.dropped);
    }
    while let Ok(envelope) = screen.try_recv() {
        println!(
            "seen    {:?} {}",
            envelope.ordinal,
            envelope.event.event_type()
        );
    }
    for recorded in log.load_since(&key, 0).await? {
        println!(
            "logged  {} {}",
            recorded.ordinal,
            recorded.event.event_type()
        );
    }
    Ok(())
}
