use bus_core::{GraphEvent, TenantId, ThreadKey};
use chrono::{DateTime, Utc};

use super::landed::landed;
use crate::{Entry, Expect, InMemorySessionLog, SessionLog};

fn key() -> ThreadKey {
    ThreadKey::new(TenantId::new("acme"), "s")
}

fn entries(first: u64, count: u64) -> Vec<Entry> {
    let entries = (first..first + count).map(|n| {
        Entry::from(GraphEvent::Resumed {
            from_checkpoint: n.to_string(),
            timestamp: Utc::now(),
        })
    });
    entries.collect()
}

async fn with(entries: &[Entry]) -> InMemorySessionLog {
    let log = InMemorySessionLog::new();
    log.append_entries(&key(), Expect::Any, entries)
        .await
        .unwrap();
    log
}

#[tokio::test]
async fn a_batch_has_landed_only_where_it_was_expected() {
    let (before, ours) = (entries(0, 3), entries(3, 4));
    let all = [before.clone(), ours.clone()].concat();
    let log = with(&all).await;
    let found = landed(&log, &key(), 3, &ours).await.unwrap();
    assert!(found.landed);
    assert_eq!(found.last, 7);
    assert!(!landed(&log, &key(), 2, &ours).await.unwrap().landed);
    assert!(!landed(&log, &key(), 4, &ours).await.unwrap().landed);
}

#[tokio::test]
async fn a_batch_that_differs_in_its_last_entry_has_not_landed() {
    let ours = entries(0, 3);
    let mut theirs = ours.clone();
    theirs[2] = entries(9, 1).remove(0);
    let log = with(&theirs).await;
    assert!(!landed(&log, &key(), 0, &ours).await.unwrap().landed);
    let mut later = ours.clone();
    later[2].at += chrono::TimeDelta::microseconds(1);
    let log = with(&later).await;
    assert!(!landed(&log, &key(), 0, &ours).await.unwrap().landed);
    let mut meta = ours.clone();
    meta[1].meta = meta[1].meta.clone().with("id", "x").unwrap();
    let log = with(&meta).await;
    assert!(!landed(&log, &key(), 0, &ours).await.unwrap().landed);
}

#[tokio::test]
async fn times_are_compared_as_the_log_keeps_them() {
    let mut ours = entries(0, 1);
    ours[0].at = DateTime::from_timestamp_nanos(1_700_000_000_123_456_789);
    let log = with(&ours).await;
    assert!(landed(&log, &key(), 0, &ours).await.unwrap().landed);
}

#[tokio::test]
async fn what_is_still_readable_decides_and_what_is_hidden_counts_as_ours() {
    let ours = entries(0, 4);
    let log = with(&ours).await;
    log.archive_before(&key(), 2).await.unwrap();
    assert!(landed(&log, &key(), 0, &ours).await.unwrap().landed);
    let mut theirs = ours.clone();
    theirs[3] = entries(9, 1).remove(0);
    assert!(!landed(&log, &key(), 0, &theirs).await.unwrap().landed);
    log.erase(&key()).await.unwrap();
    assert!(landed(&log, &key(), 0, &ours).await.unwrap().landed);
}
