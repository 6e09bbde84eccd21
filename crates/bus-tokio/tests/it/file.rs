//! A bus on the embedded log.

use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bus_log_file::{Durability, FileLogConfig, FileSessionLog};
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

/// On another thread each would cost two thread switches.
#[tokio::test]
async fn a_file_log_that_acknowledges_at_once_is_called_in_place() {
    let dir = tempfile::tempdir().unwrap();
    let key = ThreadKey::new(TenantId::new("local"), "session-1");
    // While it flushes what it acknowledged, others wait: not in this test.
    let interval = Durability::Interval(Duration::from_secs(60));
    let config = FileLogConfig::default().with_durability(interval);
    let log = FileSessionLog::open_with(dir.path(), config).unwrap();
    let bus = SessionBus::new(16).with_durable_sink(log.durable_sink(key));
    // The first one waits until the session is owned.
    bus.publish(durable(0)).await.unwrap();
    let mut in_place = 0;
    for i in 1..=20 {
        let mut publish = pin!(bus.publish(durable(i)));
        let polled = publish
            .as_mut()
            .poll(&mut Context::from_waker(Waker::noop()));
        match polled {
            Poll::Ready(done) => {
                done.unwrap();
                in_place += 1;
            }
            // The log's own thread was just looking.
            Poll::Pending => drop(publish.await.unwrap()),
        }
    }
    assert!(in_place >= 5, "{in_place} of 20");
}
