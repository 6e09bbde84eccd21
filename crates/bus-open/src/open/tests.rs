use bus_log::{LogErrorKind, SessionEvent, SessionLog, TenantId, ThreadKey};

use super::open;

fn block_on<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap()
        .block_on(future)
}

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
