use bus_log::{Replication, SessionEvent, TenantId};
use serde_json::json;

use super::against;
use crate::commands::tests::{json_lines, output};
use crate::logs::Logs;
use crate::logs::tests::memory;
use crate::output::Out;
use crate::output::tests::Shared;

async fn fill(logs: &Logs, thread: &str, n: u64) {
    let events: Vec<_> = (0..n)
        .map(|i| SessionEvent::TextChunk(format!("{thread} {i}")).into())
        .collect();
    let key = logs.key(thread).unwrap();
    logs.log.append(&key, &events).await.unwrap();
}

/// Two logs that hold the same: `a` with 3 events, `b` with 4.
async fn level() -> (Logs, Logs) {
    let (here, mut there) = (memory(), memory());
    // Another address: a log is not compared with itself.
    there.url = bus_open::LogUrl::from_path("there");
    fill(&here, "a", 3).await;
    fill(&here, "b", 4).await;
    let copying = Replication::new(here.log.clone(), there.log.clone());
    copying.all().await.unwrap();
    (here, there)
}

#[tokio::test]
async fn logs_that_hold_the_same_are_the_same_also_where_one_has_archived_some() {
    let (here, there) = level().await;
    here.log
        .archive_before(&here.key("a").unwrap(), 2)
        .await
        .unwrap();
    let (text, ok) = output!(false, |out| against(&here, &there, None, out));
    assert!(ok, "{text}");
    assert!(text.starts_with("the same  2 threads, 5 events"), "{text}");
    assert!(
        text.contains("2 events archived or erased on one side"),
        "{text}"
    );
}

#[tokio::test]
async fn each_difference_is_named_with_its_thread_and_ordinal() {
    let (here, there) = level().await;
    fill(&here, "a", 2).await;
    fill(&there, "b", 1).await;
    fill(&here, "b", 1).await;
    fill(&there, "c", 6).await;
    let (text, ok) = output!(true, |out| against(&here, &there, None, out));
    assert!(!ok);
    let lines = json_lines(&text);
    let line = |thread, same, differs_at: Option<u64>, only_here, only_there| {
        json!({
            "tenant": "local", "thread": thread, "ok": false, "same": same, "hidden": 0,
            "differs_at": differs_at, "only_here": only_here, "only_there": only_there,
        })
    };
    let none: Option<[u64; 2]> = None;
    assert_eq!(
        lines,
        [
            line("a", 3, None, Some([4, 5]), none),
            line("b", 4, Some(5), none, none),
            line("c", 0, None, none, Some([1, 6])),
        ]
    );
    let (text, _) = output!(false, |out| against(&here, &there, None, out));
    assert!(text.contains("a: only here: ordinals 4 to 5"), "{text}");
    assert!(text.contains("b: ordinal 5 differs"), "{text}");
    assert!(text.contains("c: only there, with 6 events"), "{text}");
    assert!(text.contains("different  3 places"), "{text}");
    let other = Some(TenantId::new("nobody"));
    let (text, ok) = output!(false, |out| against(&here, &there, other, out));
    assert!(ok, "{text}");
}
