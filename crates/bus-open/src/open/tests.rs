use bus_log::{LogErrorKind, SessionEvent, SessionLog, TenantId, ThreadKey};
use bus_testkit::block_on;

use super::open;

fn key() -> ThreadKey {
    ThreadKey::new(TenantId::new("t"), "thread")
}

#[test]
fn each_memory_log_is_a_new_one() {
    block_on(async {
        let first = open("memory:").await.unwrap();
        first
            .append(&key(), &[SessionEvent::Done.into()])
            .await
            .unwrap();
        let second = open("memory:").await.unwrap();
        assert_eq!(second.bounds(&key()).await.unwrap().last, 0);
    });
}

#[cfg(feature = "file")]
#[test]
fn a_url_and_a_plain_path_of_one_directory_are_one_log() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("my log");
    let url = format!("file://{}", path.display()).replace(' ', "%20");
    block_on(async {
        let log = open(&url).await.unwrap();
        log.append(&key(), &[SessionEvent::Done.into()])
            .await
            .unwrap();
        drop(log);
        let log = open(path.to_str().unwrap()).await.unwrap();
        assert_eq!(log.bounds(&key()).await.unwrap().last, 1);
    });
}

#[cfg(not(feature = "file"))]
#[test]
fn a_scheme_that_is_not_built_in_is_named() {
    let error = block_on(open("file:///tmp/x")).err().unwrap();
    assert_eq!(error.kind(), LogErrorKind::Invalid);
    assert!(error.to_string().contains("feature: file"), "{error}");
}

#[test]
fn an_unknown_scheme_is_invalid() {
    let error = block_on(open("gopher://x")).err().unwrap();
    assert_eq!(error.kind(), LogErrorKind::Invalid);
}

#[cfg(feature = "nats")]
#[test]
fn a_log_in_nats_is_opened_and_read_only_where_asked() {
    let server = local_servers::ScratchNats::start(&std::env::temp_dir()).unwrap();
    opened_and_read_only_where_asked(&server.url());
}

#[cfg(feature = "postgres")]
#[test]
fn a_log_in_postgres_is_opened_and_read_only_where_asked() {
    let server = local_servers::ScratchPostgres::start(&std::env::temp_dir()).unwrap();
    opened_and_read_only_where_asked(&server.url());
}

#[cfg(feature = "redis")]
#[test]
fn a_log_in_redis_is_opened_and_read_only_where_asked() {
    let server = local_servers::ScratchRedis::start(&std::env::temp_dir()).unwrap();
    opened_and_read_only_where_asked(&server.url());
}

#[cfg(any(feature = "nats", feature = "postgres", feature = "redis"))]
fn opened_and_read_only_where_asked(url: &str) {
    let url: crate::LogUrl = url.parse().unwrap();
    block_on(async {
        // There is nothing to read yet, and reading makes nothing.
        let missing = url.open_read_only().await.err().unwrap();
        assert_eq!(missing.kind(), LogErrorKind::Unavailable);
        assert!(url.open_existing().await.unwrap().is_none());
        assert!(url.open_existing().await.unwrap().is_none());
        let log = url.open().await.unwrap();
        log.append(&key(), &[SessionEvent::Done.into()])
            .await
            .unwrap();
        let existing = url.open_existing().await.unwrap().unwrap();
        assert_eq!(existing.bounds(&key()).await.unwrap().last, 1);
        let reader = url.open_read_only().await.unwrap();
        assert_eq!(reader.log.bounds(&key()).await.unwrap().last, 1);
        let event = [SessionEvent::Done.into()];
        let refused = reader.log.append(&key(), &event).await.unwrap_err();
        assert_eq!(refused.kind(), LogErrorKind::Unsupported);
    });
    assert_eq!(url.usage().unwrap(), None);
    assert!(url.torn_ends().unwrap().is_empty());
}

/// The first page's lines about a server compile: they would connect.
#[cfg(all(feature = "file", feature = "postgres"))]
#[test]
fn the_first_page_opens_a_log_that_ships_to_a_server() {
    const LINES: &str = include_str!("tests/readme.rs");
    let page = include_str!("../../../../README.md");
    assert!(page.contains(&format!("```rust,ignore\n{LINES}```\n")));
}
