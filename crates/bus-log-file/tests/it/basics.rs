//! Appending, reading, opening again.

use bus_log::{Event, Expect, LogErrorKind, SessionEvent, SessionLog, TenantId, ThreadKey};
use bus_log_file::FileSessionLog;

fn text(text: &str) -> Event {
    SessionEvent::TextComplete(text.to_owned()).into()
}

fn key(thread: &str) -> ThreadKey {
    ThreadKey::new(TenantId::new("acme"), thread)
}

#[tokio::test]
async fn what_was_appended_is_there_after_opening_again() {
    let dir = tempfile::tempdir().unwrap();
    for round in 0..3_u64 {
        let log = FileSessionLog::open(dir.path()).unwrap();
        assert_eq!(log.bounds(&key("a")).await.unwrap().last, round * 2);
        let last = log.append(&key("a"), &[text("x"), text("y")]).await;
        assert_eq!(last.unwrap(), round * 2 + 2);
        let all = log.load_since(&key("a"), 0).await.unwrap();
        assert_eq!(all.len() as u64, round * 2 + 2);
        assert!(log.recovery().is_clean());
    }
}

#[tokio::test]
async fn a_wrong_expectation_is_a_conflict_that_writes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let log = FileSessionLog::open(dir.path()).unwrap();
    let error = log
        .append_expecting(&key("a"), 3, &[text("x")])
        .await
        .unwrap_err();
    assert_eq!(
        (error.kind(), error.actual()),
        (LogErrorKind::Conflict, Some(0))
    );
    let entries = [text("x").into()];
    let last = log
        .append_entries(&key("a"), Expect::StartAt(9), &entries)
        .await;
    assert_eq!(last.unwrap(), 9);
    let bounds = log.bounds(&key("a")).await.unwrap();
    assert_eq!((bounds.first, bounds.last, bounds.watermark), (9, 9, 8));
}
