//! A bus on the embedded log.

use std::sync::Arc;

use bus_log_file::FileSessionLog;
use bus_tokio::{SessionBus, SessionLog, TenantId, ThreadKey};

use crate::kit::{drain, durable, number, on_threads};

const EACH: usize = 100;

/// Eight threads emit on the bus that `plug` makes: fewer syncs than events, and what subscribers
/// saw is what the log holds, ordinal for ordinal.
fn emitters_share_syncs(plug: impl Fn(&Arc<FileSessionLog>, ThreadKey) -> SessionBus) {
    let dir = tempfile::tempdir().unwrap();
    let key = ThreadKey::new(TenantId::new("local"), "session-1");
    let log = Arc::new(FileSessionLog::open(dir.path()).unwrap());
    let bus = plug(&log, key.clone());
    let mut subscriber = bus.subscribe_envelopes();
    on_threads(8, |thread| {
        for i in 0..EACH {
            let receipt = bus.try_emit(durable(thread * EACH + i)).unwrap();
            assert!(receipt.ordinal.is_some());
        }
    });
    drop(bus);
    let stats = log.stats();
    assert_eq!(stats.events, 8 * EACH as u64);
    assert!(stats.syncs < stats.events, "{stats:?}");

    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let logged = runtime.block_on(log.load_since(&key, 0)).unwrap();
    let logged: Vec<_> = logged
        .iter()
        .map(|r| (Some(r.ordinal), number(&r.event)))
        .collect();
    let seen = drain(&mut subscriber);
    let seen: Vec<_> = seen.iter().map(|e| (e.ordinal, number(&e.event))).collect();
    assert_eq!(seen, logged);
    assert_eq!(seen.len(), 8 * EACH);
}

#[test]
fn emitters_share_the_syncs_of_a_file_log_by_its_own_sink() {
    emitters_share_syncs(|log, key| SessionBus::new(1024).with_durable_sink(log.durable_sink(key)));
}

#[test]
fn emitters_share_the_syncs_of_a_file_log_by_the_writer() {
    emitters_share_syncs(|log, key| SessionBus::new(1024).with_log(log.clone(), key));
}
