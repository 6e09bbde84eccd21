use bus_log::{Bounds, InMemorySessionLog, SessionEvent, TenantId, ThreadKey};

use super::*;

fn summary(thread: &str, watermark: u64, last: u64) -> ThreadSummary {
    let key = ThreadKey::new(TenantId::new("t"), thread);
    ThreadSummary::new(key, Bounds::new(watermark, last, false))
}

#[test]
fn the_parts_of_a_thread_are_all_of_it_once() {
    for (watermark, last) in [(0, 2 * PART + 1), (5, 3 * PART), (PART, 10 * PART + 7)] {
        let ranges = ranges(&summary("a", watermark, last));
        assert!(ranges.len() > 1);
        let mut next = watermark;
        for range in ranges {
            let Range { after, until } = range.unwrap();
            assert_eq!(after, next);
            assert!(until > after && until - after <= PART);
            next = until;
        }
        assert_eq!(next, last);
    }
    assert_eq!(ranges(&summary("a", 0, 2 * PART)), [None]);
    assert_eq!(ranges(&summary("a", 0, 0)), [None]);
}

#[tokio::test]
async fn threads_are_told_in_order_and_few_are_held() {
    let log: Arc<dyn SessionLog> = Arc::new(InMemorySessionLog::new());
    let mut parts = Parts::new(&log, 2);
    let mut told = Vec::new();
    for n in 0..100 {
        let summary = summary(&format!("{n:03}"), 0, n % 3);
        let events = vec![SessionEvent::Done.into(); (n % 3) as usize];
        log.append(&summary.key, &events).await.unwrap();
        told.extend(parts.check(summary).await.unwrap());
        assert!(parts.parts <= 2 * AHEAD);
    }
    while let Some(checked) = parts.next().await.unwrap() {
        told.push(checked);
    }
    assert_eq!(told.len(), 100);
    for (n, checked) in (0..).zip(told) {
        assert_eq!(checked.summary.key.thread_id(), format!("{n:03}"));
        assert_eq!(checked.events, n % 3);
        assert!(checked.outcome.is_ok());
    }
}
