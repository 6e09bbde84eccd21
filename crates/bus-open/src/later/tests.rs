// A log that can't be opened wherever this runs: a folder that is a file.
#![cfg(feature = "file")]

use std::sync::Arc;
use std::time::{Duration, Instant};

use bus_log::{
    InMemorySessionLog, LogErrorKind, SessionEvent, SessionLog, ShippingConfig, ShippingLog,
    TenantId, ThreadKey,
};
use bus_testkit::block_on;

use crate::LogUrl;

fn key() -> ThreadKey {
    ThreadKey::new(TenantId::new("acme"), "s")
}

/// The URL of a log that can be named and not opened.
fn useless(dir: &tempfile::TempDir) -> LogUrl {
    let file = dir.path().join("a file");
    std::fs::write(&file, "no folder").unwrap();
    LogUrl::parse(file.to_str().unwrap()).unwrap()
}

#[test]
fn a_log_that_can_not_be_opened_is_away_whatever_it_says() {
    let dir = tempfile::tempdir().unwrap();
    let url = useless(&dir);
    let refused = block_on(url.open()).err().unwrap();
    let error = block_on(url.open_later().bounds(&key())).unwrap_err();
    assert_eq!(error.kind(), LogErrorKind::Unavailable);
    let why = std::error::Error::source(&error).map(ToString::to_string);
    let same = refused.kind() == LogErrorKind::Unavailable;
    assert!(same || why == Some(refused.to_string()), "{error:?}");
}

#[test]
fn the_budget_holds_where_the_remote_log_can_never_be_opened() {
    let dir = tempfile::tempdir().unwrap();
    let local = Arc::new(InMemorySessionLog::new());
    let config = ShippingConfig::default()
        .with_budget(Some(500))
        .with_longest_pause(Duration::from_millis(20));
    let log = ShippingLog::with_config(local, useless(&dir).open_later(), config).unwrap();
    block_on(async {
        let begun = Instant::now();
        let refused = loop {
            let event = SessionEvent::TextChunk("x".repeat(50));
            if let Err(error) = log.append(&key(), &[event.into()]).await {
                break error;
            }
            tokio::task::yield_now().await;
            assert!(
                begun.elapsed() < Duration::from_secs(60),
                "it takes everything"
            );
            assert!(
                log.bounds(&key()).await.unwrap().last < 100,
                "it takes everything"
            );
        };
        assert_eq!(refused.kind(), LogErrorKind::Unavailable);
        while log.lag().outage.is_none() {
            assert!(begun.elapsed() < Duration::from_secs(60), "{:?}", log.lag());
            tokio::task::yield_now().await;
        }
        // However often it was tried.
        for _ in 0..1000 {
            let lag = log.lag();
            assert_eq!((lag.stopped_threads, lag.is_level()), (0, false), "{lag:?}");
            tokio::task::yield_now().await;
        }
        let event = [SessionEvent::Done.into()];
        assert!(log.append(&key(), &event).await.is_err());
    });
}
