use std::pin::pin;

use bus_core::{SessionEvent, TenantId};
use futures_util::StreamExt;

use super::*;
use crate::InMemorySessionLog;

fn key() -> ThreadKey {
    ThreadKey::new(TenantId::new("t"), "s")
}

#[tokio::test]
async fn events_come_once_and_in_order_also_those_appended_while_following() {
    let log = Arc::new(InMemorySessionLog::new());
    let writer = Arc::clone(&log);
    let events = pin!(follow(log, key(), 0).take(300));
    let appending = async move {
        for n in 0..100 {
            let batch: Vec<_> = (0..3)
                .map(|i| SessionEvent::TextChunk(format!("{n}.{i}")).into())
                .collect();
            writer.append(&key(), &batch).await.unwrap();
            tokio::task::yield_now().await;
        }
    };
    let (ordinals, ()) = tokio::join!(
        events
            .map(|event| event.unwrap().ordinal)
            .collect::<Vec<_>>(),
        appending
    );
    assert_eq!(ordinals, (1..=300).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_cursor_before_the_watermark_starts_at_the_first_readable_event() {
    let log = Arc::new(InMemorySessionLog::new());
    log.append(&key(), &vec![SessionEvent::Done.into(); 5])
        .await
        .unwrap();
    log.archive_before(&key(), 3).await.unwrap();
    let ordinals: Vec<_> = follow(log, key(), 1)
        .take(2)
        .map(|event| event.unwrap().ordinal)
        .collect()
        .await;
    assert_eq!(ordinals, [4, 5]);
}

#[tokio::test]
async fn followed_raw_a_known_type_keeps_its_bytes() {
    let log = Arc::new(InMemorySessionLog::new());
    let text = r#"{"type":"session.text_chunk","data":"hi", "extra": 1e400}"#;
    let raw = bus_core::CustomEvent::from_json(bus_core::Json::parse(text).unwrap()).unwrap();
    log.append(&key(), &[raw.into()]).await.unwrap();
    let mut events = pin!(follow_raw(log, key(), 0));
    let first = events.next().await.unwrap().unwrap();
    assert_eq!(first.event.as_custom().unwrap().as_json().as_str(), text);
}
