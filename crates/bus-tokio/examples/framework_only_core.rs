//! A framework that depends on `bus-core` and nothing else, and a host that plugs a bus into it.
//!
//! ```sh
//! cargo run -p bus-tokio --example framework_only_core
//! ```

use std::sync::Arc;

use bus_tokio::{ExecutionContext, SessionBus, TenantId};

/// What would be a crate of its own. Every name in here is `bus-core`'s.
mod framework {
    use std::sync::Arc;

    use bus_core::{
        CustomEvent, EventEmitter, ExecutionContext, Json, Meta, SessionEvent, TokenDelta,
        TokenSource,
    };

    pub(crate) struct Agent {
        events: Arc<dyn EventEmitter>,
    }

    impl Agent {
        pub(crate) fn new(events: Arc<dyn EventEmitter>) -> Self {
            Self { events }
        }

        /// Answers in one step, and hands over to another agent.
        pub(crate) fn run(&self, ctx: &ExecutionContext, question: &str) {
            self.events.emit(SessionEvent::Thinking);
            for word in ["You", " asked: ", question] {
                self.events.emit(SessionEvent::TextChunk(word.into()));
            }
            self.events.emit(SessionEvent::TokenUsage(TokenDelta {
                source: TokenSource::Root,
                model: "small".into(),
                prompt_tokens: 12,
                completion_tokens: 5,
                duration_ms: 40,
            }));
            if let Some(audit) = ctx.audit_sink() {
                audit.record_agent_handoff(Some("greeter"), "clerk");
            }
            self.events.emit(SessionEvent::Done);
        }

        /// Emits an event of the framework's own. Waits until it is durable, and blocks no thread.
        pub(crate) async fn change_plan(&self) -> Result<(), Box<dyn std::error::Error>> {
            let plan = CustomEvent::new("acme.plan_changed", Json::string("three steps"))?;
            let meta = Meta::default().with("id", "plan-1")?;
            self.events.publish(plan.into(), meta).await?;
            Ok(())
        }
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let bus = SessionBus::new(256);
    let mut screen = bus.subscribe_envelopes();

    let ctx = ExecutionContext::new()
        .with_tenant_id(TenantId::new("acme"))
        .with_thread_id("session-1")
        .with_audit_sink(bus.audit_sink());
    let agent = framework::Agent::new(Arc::new(bus.clone()));
    agent.run(&ctx, "what is a bus?");
    agent.change_plan().await?;

    while let Ok(envelope) = screen.try_recv() {
        println!("{:>2}  {}", envelope.seq, envelope.event.to_json());
    }
    Ok(())
}
