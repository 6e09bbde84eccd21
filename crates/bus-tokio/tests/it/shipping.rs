//! A bus over a log that is shipped.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bus_testkit::{Fault, FaultyLog};
use bus_tokio::{
    InMemorySessionLog, LogErrorKind, LogWriter, LogWriterConfig, SessionBus, SessionLog,
    ShippingConfig, ShippingLog, TenantId, ThreadKey, compare,
};

use crate::kit::{DEADLINE, drain, durable, numbers};

type Memory = Arc<InMemorySessionLog>;

fn key() -> ThreadKey {
    ThreadKey::new(TenantId::new("acme"), "session-7")
}

/// A log whose remote one is away.
fn shipping(budget: u64) -> (Memory, Arc<FaultyLog<Memory>>, Arc<ShippingLog>) {
    let (local, remote) = (Memory::default(), Memory::default());
    let away = Arc::new(FaultyLog::new(remote));
    away.always(Fault::Refuse(LogErrorKind::Unavailable));
    let config = ShippingConfig::default()
        .with_budget(Some(budget))
        .with_longest_pause(Duration::from_millis(20));
    let log = ShippingLog::with_config(local.clone(), away.clone(), config).unwrap();
    (local, away, Arc::new(log))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_emits_does_not_notice_that_the_remote_log_is_away() {
    let (local, away, log) = shipping(1 << 20);
    let bus = SessionBus::new(1024).with_log(log.clone(), key());
    let mut screen = bus.subscribe_envelopes();
    for n in 1..=200 {
        let receipt = bus.try_emit(durable(n)).unwrap();
        assert_eq!(receipt.ordinal, Some(n as u64));
    }
    assert_eq!(numbers(&drain(&mut screen)), (1..=200).collect::<Vec<_>>());
    bus.audit_sink().record_resumed("checkpoint");
    away.heal();
    bus.close().await;
    log.flush(Instant::now() + DEADLINE).await.unwrap();
    let compared = compare(&local, away.log(), &key()).await.unwrap();
    assert!(compared.is_level() && compared.same == 201, "{compared:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn past_the_budget_an_emit_fails_as_on_a_log_that_is_down_and_audit_records_wait() {
    let (local, away, log) = shipping(1000);
    let config = LogWriterConfig::default().with_retry_for(Duration::ZERO);
    let writer = LogWriter::with_config(log.clone(), config);
    let bus = SessionBus::new(1024).with_log_writer(&writer, key());
    let mut written = 0;
    let refused = loop {
        match bus.try_emit(durable(1)) {
            Ok(receipt) => written = receipt.ordinal.unwrap(),
            Err(error) => break error,
        }
        assert!(written < 1000, "nothing bounds what waits");
    };
    let mut causes = vec![refused.to_string()];
    let mut cause = std::error::Error::source(&refused);
    while let Some(error) = cause {
        causes.push(error.to_string());
        cause = error.source();
    }
    assert!(
        causes.join("; ").contains("the budget is 1000"),
        "{causes:?}"
    );
    bus.audit_sink().record_resumed("checkpoint");
    away.heal();
    let stats = bus.close().await;
    log.flush(Instant::now() + DEADLINE).await.unwrap();
    let last = local.bounds(&key()).await.unwrap().last;
    assert_eq!(last, written + 1, "{stats:?}");
    assert!(
        compare(&local, away.log(), &key())
            .await
            .unwrap()
            .is_level()
    );
}
