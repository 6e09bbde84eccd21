use std::sync::Arc;

use bus_import::Imported;
use bus_log::{DateTime, Meta, SessionEvent, SessionLog};

use super::appender::Appender;
use crate::logs::Logs;
use crate::logs::tests::memory;

/// The `n`th event of a session, as read from `file`.
fn item(n: i64, file: &str) -> Imported {
    let source = serde_json::json!({"file": file, "line": n, "record": format!("r{n}")});
    Imported::new(
        Arc::from("t"),
        DateTime::from_timestamp(n, 0).unwrap(),
        Meta::default().with("source", &source).unwrap(),
        SessionEvent::TextComplete(format!("text {n}")).into(),
    )
}

async fn push(appender: &mut Appender<'_>, ns: impl IntoIterator<Item = i64>, file: &str) {
    for n in ns {
        appender.push(item(n, file)).await.unwrap();
    }
}

async fn import(logs: &Logs, ns: impl IntoIterator<Item = i64>, file: &str) -> u64 {
    let mut appender = Appender::new(logs);
    push(&mut appender, ns, file).await;
    appender.finish().await.unwrap()["t"].new
}

/// The texts of the thread, by number.
async fn logged(logs: &Logs) -> Vec<i64> {
    let key = logs.key("t").unwrap();
    let events = logs.log.load_since(&key, 0).await.unwrap();
    events.iter().map(|event| event.at.timestamp()).collect()
}

#[tokio::test]
async fn importing_again_appends_what_is_new_under_any_name() {
    let logs = memory();
    assert_eq!(import(&logs, 1..=3000, "a").await, 3000);
    assert_eq!(import(&logs, 1..=3000, "a").await, 0);
    assert_eq!(import(&logs, 1..=2000, "b").await, 0);
    assert_eq!(import(&logs, 1..=3005, "b").await, 5);
    assert_eq!(logged(&logs).await, (1..=3005).collect::<Vec<_>>());
}

#[tokio::test]
async fn of_two_imports_at_once_each_event_is_written_once() {
    let logs = memory();
    let mut slow = Appender::new(&logs);
    push(&mut slow, 1..=500, "a").await;
    // The slow one has looked at the thread, and found nothing.
    assert_eq!(import(&logs, 1..=2500, "a").await, 2500);
    push(&mut slow, 501..=2600, "a").await;
    assert_eq!(slow.finish().await.unwrap()["t"].new, 100);
    assert_eq!(logged(&logs).await, (1..=2600).collect::<Vec<_>>());
}

#[tokio::test]
async fn another_piece_of_a_session_adds_what_the_thread_lacks() {
    let logs = memory();
    assert_eq!(import(&logs, 1000..=3000, "end").await, 2001);
    assert_eq!(import(&logs, 1..=1500, "begin").await, 999);
    for (file, ns) in [("end", 1000..=3000), ("begin", 1..=1500)] {
        assert_eq!(import(&logs, ns, file).await, 0, "{file}");
    }
    let expected: Vec<i64> = (1000..=3000).chain(1..=999).collect();
    assert_eq!(logged(&logs).await, expected);
}

#[tokio::test]
async fn events_of_other_origin_are_passed_over() {
    let logs = memory();
    let key = logs.key("t").unwrap();
    import(&logs, 1..=10, "a").await;
    logs.log
        .append(&key, &[SessionEvent::Done.into()])
        .await
        .unwrap();
    assert_eq!(import(&logs, 1..=20, "a").await, 10);
    assert_eq!(import(&logs, 1..=20, "a").await, 0);
    assert_eq!(logs.log.bounds(&key).await.unwrap().last, 21);
}

#[tokio::test]
async fn what_is_said_twice_in_a_file_is_twice_in_the_log() {
    let logs = memory();
    assert_eq!(import(&logs, [1, 1, 2], "a").await, 3);
    assert_eq!(import(&logs, [1, 1, 2, 2], "a").await, 1);
    assert_eq!(logged(&logs).await, [1, 1, 2, 2]);
}

#[tokio::test]
async fn hidden_events_count_as_imported() {
    let logs = memory();
    let key = logs.key("t").unwrap();
    import(&logs, 1..=10, "a").await;
    logs.log.archive_before(&key, 4).await.unwrap();
    assert_eq!(import(&logs, 1..=12, "a").await, 2);
    logs.log.erase(&key).await.unwrap();
    assert_eq!(import(&logs, 1..=15, "a").await, 3);
    assert_eq!(logged(&logs).await, [13, 14, 15]);
}

#[tokio::test]
async fn large_events_do_not_pile_up() {
    let logs = memory();
    let key = logs.key("t").unwrap();
    let mut appender = Appender::new(&logs);
    for n in 1..=10 {
        let mut item = item(n, "a");
        item.event = SessionEvent::TextComplete("x".repeat(1 << 20)).into();
        appender.push(item).await.unwrap();
    }
    assert!(logs.log.bounds(&key).await.unwrap().last >= 8);
}

#[tokio::test]
async fn archived_events_of_other_origin_are_not_taken_for_those_of_the_file() {
    let logs = memory();
    let key = logs.key("t").unwrap();
    import(&logs, 1..=5, "a").await;
    let others = vec![SessionEvent::Done.into(); 3];
    logs.log.append(&key, &others).await.unwrap();
    import(&logs, 1..=100, "a").await;
    logs.log.archive_before(&key, 50).await.unwrap();
    assert_eq!(import(&logs, 1..=110, "a").await, 10);
    // Fewer are readable than are wanted for an anchor, or else the hidden ones end within it.
    for watermark in [107, 112] {
        logs.log.archive_before(&key, watermark).await.unwrap();
        assert_eq!(import(&logs, 1..=110, "a").await, 0, "{watermark}");
    }
    assert_eq!(import(&logs, 1..=120, "a").await, 10);
}

#[tokio::test]
async fn where_nothing_is_readable_a_guess_is_named_as_one() {
    let logs = memory();
    let key = logs.key("t").unwrap();
    import(&logs, 1..=10, "a").await;
    logs.log
        .append(&key, &[SessionEvent::Done.into()])
        .await
        .unwrap();
    logs.log.archive_before(&key, 999).await.unwrap();
    for (until, new) in [(10, 0), (11, 0), (12, 1)] {
        let mut appender = Appender::new(&logs);
        push(&mut appender, 1..=until, "a").await;
        let appended = appender.finish().await.unwrap()["t"];
        assert_eq!(appended.new, new, "{until}");
        // Eleven are archived and eleven were given: nothing hints at an event of other origin.
        assert_eq!(appended.guessed, (until != 11).then_some(11), "{until}");
    }
    let mut appender = Appender::new(&logs);
    push(&mut appender, 1..=13, "a").await;
    let appended = appender.finish().await.unwrap()["t"];
    assert_eq!((appended.new, appended.guessed), (1, None));
}
