//! Appending, reading, opening again.

use bus_log::{Expect, LogErrorKind, SessionLog};
use bus_log_file::FileSessionLog;

use crate::support::{key, scratch, text};

#[tokio::test]
async fn what_was_appended_is_there_after_opening_again() {
    let dir = scratch();
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
    let dir = scratch();
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

#[tokio::test]
async fn pages_joined_are_the_whole_at_every_cursor() {
    let dir = scratch();
    let log = FileSessionLog::open(dir.path()).unwrap();
    // Lines from a few bytes to some hundred kilobytes, so that the binary search meets both.
    for n in 0..120_usize {
        let long = "x".repeat(if n % 7 == 0 { 150_000 } else { n });
        log.append(&key("a"), &[text(&n.to_string()), text(&long)])
            .await
            .unwrap();
    }
    let all = log.load_since(&key("a"), 0).await.unwrap();
    assert_eq!(all.len(), 240);
    for cursor in 0..=241_u64 {
        let page = log.read(&key("a"), cursor, 3).await.unwrap();
        let from = all.len().min(cursor as usize);
        let to = all.len().min(from + 3);
        assert_eq!(page.events, all[from..to]);
        assert_eq!(page.more, to < all.len());
    }
}

#[tokio::test]
async fn a_page_is_bounded_in_bytes_and_holds_at_least_one_event() {
    let dir = scratch();
    let log = FileSessionLog::open(dir.path()).unwrap();
    let large = text(&"x".repeat(9 << 20));
    let events = [text("a"), large.clone(), text("b"), text("c")];
    log.append(&key("a"), &events).await.unwrap();
    let mut cursor = 0;
    for expected in [&events[..1], &events[1..2], &events[2..]] {
        let page = log.read(&key("a"), cursor, 100).await.unwrap();
        let got: Vec<_> = page.events.into_iter().map(|event| event.event).collect();
        assert_eq!(got, expected);
        cursor += expected.len() as u64;
    }
}

#[tokio::test]
async fn too_large_an_event_is_invalid_and_the_log_goes_on() {
    let dir = scratch();
    let log = FileSessionLog::open(dir.path()).unwrap();
    let events = [text("a"), text(&"x".repeat(bus_log::MAX_EVENT_BYTES))];
    let error = log.append(&key("a"), &events).await.unwrap_err();
    assert_eq!(error.kind(), LogErrorKind::Invalid);
    assert_eq!(log.append(&key("a"), &events[..1]).await.unwrap(), 1);
}

#[tokio::test]
async fn an_empty_append_writes_nothing() {
    let dir = scratch();
    let log = FileSessionLog::open(dir.path()).unwrap();
    assert_eq!(log.append(&key("a"), &[]).await.unwrap(), 0);
    let error = log.append_expecting(&key("a"), 1, &[]).await.unwrap_err();
    assert_eq!(error.actual(), Some(0));
    assert_eq!(crate::support::files(&dir.path().join("threads")).len(), 0);
    assert_eq!(log.stats().syncs, 0);
}

#[tokio::test]
async fn ordinals_reach_the_largest_number_and_no_further() {
    let dir = scratch();
    let log = FileSessionLog::open(dir.path()).unwrap();
    let entries = [text("x").into(), text("y").into()];
    let start = |n| Expect::StartAt(n);
    let error = log
        .append_entries(&key("a"), start(u64::MAX), &entries)
        .await
        .unwrap_err();
    assert_eq!(error.kind(), LogErrorKind::Invalid);
    let last = log
        .append_entries(&key("a"), start(u64::MAX), &entries[..1])
        .await;
    assert_eq!(last.unwrap(), u64::MAX);
    assert_eq!(log.load_since(&key("a"), 0).await.unwrap().len(), 1);
    let error = log.append(&key("a"), &[text("z")]).await.unwrap_err();
    assert_eq!(error.kind(), LogErrorKind::Invalid);
}

#[tokio::test]
async fn a_folder_that_holds_something_else_is_refused_untouched() {
    let dir = scratch();
    std::fs::write(dir.path().join("thesis.txt"), "x").unwrap();
    let error = FileSessionLog::open(dir.path()).unwrap_err();
    assert_eq!(error.kind(), LogErrorKind::Invalid);
    assert_eq!(crate::support::files(dir.path()).len(), 1);
}

#[test]
fn a_log_of_another_version_is_refused() {
    let dir = scratch();
    let marker = r#"{"format":"bus-log-file","version":99}"#;
    std::fs::write(dir.path().join("format"), marker).unwrap();
    let error = FileSessionLog::open(dir.path()).unwrap_err();
    assert_eq!(error.kind(), LogErrorKind::Unsupported);
}

#[tokio::test]
async fn a_clean_close_leaves_no_journal_and_no_lock() {
    let dir = scratch();
    let log = FileSessionLog::open(dir.path()).unwrap();
    log.append(&key("a"), &[text("x")]).await.unwrap();
    drop(log);
    assert_eq!(crate::support::files(&dir.path().join("journal")).len(), 0);
    assert_eq!(crate::support::files(&dir.path().join("threads")).len(), 1);
}
