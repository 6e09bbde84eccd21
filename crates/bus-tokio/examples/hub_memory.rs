//! What a session of a hub takes of memory while nothing happens in it.
//!
//! ```text
//! cargo run --release -p bus-tokio --example hub_memory [sessions]
//! ```
//!
//! It prints resident bytes per session: of fresh ones, of those that have emitted, with their buses
//! held and not, and what is left once all were let go. Linux only: it reads `/proc/self/statm`.

use std::sync::Arc;
use std::time::Duration;

use bus_tokio::{
    CompactionStart, HubConfig, InMemorySessionLog, SessionBus, SessionEvent, SessionHub, TenantId,
    ThreadKey, Uuid,
};

/// A key of 30 bytes.
fn key(session: usize) -> ThreadKey {
    ThreadKey::new(TenantId::new("acme"), format!("session-{session:018}"))
}

fn resident() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages = statm.split(' ').nth(1).and_then(|pages| pages.parse().ok());
    pages.unwrap_or(0) * 4096
}

fn behind(hub: &SessionHub) -> u64 {
    let stats = hub.audit_stats();
    stats.accepted - stats.written
}

fn main() {
    let sessions = std::env::args().nth(1).and_then(|n| n.parse().ok());
    let sessions: usize = sessions.unwrap_or(100_000);
    let config = HubConfig::default().with_idle(Duration::ZERO);
    let hub = SessionHub::with_config(Arc::new(InMemorySessionLog::new()), config);

    let before = resident();
    let tell = |what: &str| {
        let per_session = resident().saturating_sub(before) / sessions;
        println!("{what}: {per_session} bytes per session");
    };
    let mut held: Vec<SessionBus> = Vec::with_capacity(sessions);
    held.extend((0..sessions).map(|session| hub.bus(&key(session))));
    tell("fresh, held by a clone");

    for bus in &held {
        let mut screen = bus.subscribe();
        bus.emit(SessionEvent::TextChunk("hello".into()));
        bus.audit_sink().record_resumed("checkpoint");
        drop(screen.try_recv());
        // The writer's queue has its bound; what is past it would be dropped.
        while behind(&hub) > 10_000 {
            std::thread::yield_now();
        }
    }
    // The log in memory keeps the one event of each: it is counted too.
    while behind(&hub) > 0 {
        std::thread::yield_now();
    }
    hub.let_go();
    tell("each with an event in the log (in memory), held by a clone");

    let last = hub.bus(&key(0));
    last.emit(SessionEvent::CompactionStarted(CompactionStart {
        trace_id: Uuid::nil(),
        reason: "done".into(),
        before_tokens: 1,
        budget: 1,
    }));
    drop((held, last));
    hub.let_go();
    tell("the same, held by nobody");
    println!("buses left: {}", hub.len());
}
