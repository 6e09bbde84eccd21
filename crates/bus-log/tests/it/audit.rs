use bus_log::*;
use std::sync::Arc;

#[test]
fn quick() {
    let log = Arc::new(InMemorySessionLog::new());
    let key = ThreadKey::new(TenantId::new("t"), "s");
    let audit = SessionAuditSink::new(log.clone(), key.clone());
    for i in 0..1000 {
        audit.record_agent_handoff(None, &i.to_string());
    }
    let rt = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let st = rt.block_on(audit.close());
    println!("{st:?}");
    drop(audit);
    assert_eq!(Arc::strong_count(&log), 1);
    let sink = LogSink::new(log.clone(), key.clone());
    sink.write(&SessionEvent::Done).unwrap();
    drop(sink);
    assert_eq!(Arc::strong_count(&log), 1);
}
