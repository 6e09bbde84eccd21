use std::sync::Arc;

use bus_log::{InMemorySessionLog, LogError, SessionEvent, SessionLog, TenantId};
use bus_open::LogUrl;

use super::{Logs, can_not_write, likeness, wants_room};

async fn logs_with(threads: &[&str]) -> Logs {
    let logs = memory();
    for thread in threads {
        let key = logs.key(thread).unwrap();
        logs.log
            .append(&key, &[SessionEvent::Done.into()])
            .await
            .unwrap();
    }
    logs
}

/// An empty log in memory.
pub(crate) fn memory() -> Logs {
    Logs {
        log: Arc::new(InMemorySessionLog::new()),
        url: LogUrl::parse("memory:").unwrap(),
        tenant: TenantId::new("local"),
        unsettled: false,
    }
}

#[test]
fn a_full_disk_a_quota_and_a_lack_of_rights_leave_a_log_that_can_be_read() {
    use std::io::ErrorKind;
    for kind in [
        ErrorKind::StorageFull,
        ErrorKind::QuotaExceeded,
        ErrorKind::PermissionDenied,
        ErrorKind::ReadOnlyFilesystem,
    ] {
        let source = std::io::Error::from(kind);
        let error = LogError::unavailable("can't create the journal").with_source(source);
        let error = anyhow::Error::new(error).context("can't open the log");
        assert!(can_not_write(&error), "{kind:?}");
    }
    let full = std::io::Error::from(ErrorKind::StorageFull);
    let full = wants_room(LogError::unavailable("can't write").with_source(full));
    assert!(
        full.to_string().contains("free that much space and retry"),
        "{full}"
    );
    let other = anyhow::Error::new(std::io::Error::from(ErrorKind::NotFound));
    assert!(!can_not_write(&other));
}

#[tokio::test]
async fn an_unknown_thread_is_refused_with_similar_names() {
    let logs = logs_with(&["session-alpha", "session-beta", "other"]).await;
    let error = logs.known("session-alpa").await.unwrap_err().to_string();
    assert!(error.starts_with("no thread \"session-alpa\""), "{error}");
    assert!(error.contains("\"session-alpha\""), "{error}");
    assert!(!error.contains("\"other\""), "{error}");
    let error = logs.known("zzz").await.unwrap_err().to_string();
    assert!(!error.contains("did you mean"), "{error}");
}

#[tokio::test]
async fn a_thread_of_another_tenant_is_not_known() {
    let mut logs = logs_with(&["session-1"]).await;
    assert_eq!(logs.known("session-1").await.unwrap().1.last, 1);
    logs.tenant = TenantId::new("other");
    assert!(logs.known("session-1").await.is_err());
}

#[test]
fn likeness_counts_both_ends_and_what_is_inside() {
    assert_eq!(likeness("abcdef", "abXdef"), 5);
    assert_eq!(likeness("019c8a4d-8f45", "8a4d"), 4);
    assert_eq!(likeness("abc", "xyz"), 0);
}
