use std::sync::Arc;

use bus_log::{LogError, Page, Result, SessionEvent, TenantId, ThreadKey};
use bus_testkit::{Tamper, Tampered};
use serde_json::Value;

use super::How;
use crate::commands::tests::{json_lines, output};
use crate::logs::Logs;
use crate::logs::tests::memory;
use crate::output::Out;
use crate::output::tests::Shared;

/// What reads wrongly from threads of certain names.
fn tamper() -> Tamper {
    Tamper::new()
        .on_read(|_, log, key, cursor, limit| {
            Box::pin(async move { misread(key, log.read(key, cursor, limit).await?) })
        })
        .on_read_raw(|_, log, key, cursor, limit| {
            Box::pin(async move { misread(key, log.read_raw(key, cursor, limit).await?) })
        })
}

fn misread(key: &ThreadKey, mut page: Page) -> Result<Page> {
    let events = &mut page.events;
    match key.thread_id() {
        "corrupt" => return Err(LogError::corrupt("checksum of line 3 in x.jsonl")),
        "missing" => events.retain(|event| event.ordinal != 2),
        "second" if events.iter().any(|event| event.ordinal == 2) => {
            return Err(LogError::corrupt("checksum of line 3 in x.jsonl"));
        }
        "short" => events.retain(|event| event.ordinal < 3),
        "late" => events.retain(|event| event.ordinal > 1),
        _ => {}
    }
    Ok(page)
}

async fn logs_with(threads: &[(&str, &str)]) -> Logs {
    let mut logs = memory();
    let events = vec![SessionEvent::Done.into(); 3];
    for (tenant, thread) in threads {
        let key = ThreadKey::new(TenantId::new(*tenant), *thread);
        logs.log.append(&key, &events).await.unwrap();
    }
    logs.log = Arc::new(Tampered::new(tamper(), logs.log));
    logs
}

#[tokio::test]
async fn a_log_without_fault_is_intact_in_all_tenants() {
    let logs = logs_with(&[
        ("a", "1"),
        ("b", "1"),
        ("local", "erased"),
        ("local", "archived"),
    ])
    .await;
    logs.log.erase(&logs.key("erased").unwrap()).await.unwrap();
    logs.log
        .archive_before(&logs.key("archived").unwrap(), 2)
        .await
        .unwrap();
    let (text, ok) = output!(false, |out| super::run(&logs, None, How::default(), out));
    assert!(ok, "{text}");
    assert_eq!(text, "intact  4 threads, 7 events in memory:\n");
    let (text, _) = output!(true, |out| super::run(
        &logs,
        Some(TenantId::new("b")),
        How::default(),
        out
    ));
    let lines = json_lines(&text);
    assert_eq!(lines.len(), 1);
    assert_eq!(
        (&lines[0]["tenant"], &lines[0]["ok"]),
        (&"b".into(), &true.into())
    );
}

#[tokio::test]
async fn what_is_good_before_damage_counts() {
    let logs = logs_with(&[("local", "second")]).await;
    let (text, ok) = output!(true, |out| super::run(&logs, None, How::default(), out));
    assert!(!ok);
    assert_eq!(json_lines(&text)[0]["events"], 1);
}

#[tokio::test]
async fn a_log_not_all_of_which_is_shown_is_intact_as_far_as_can_be_seen() {
    let mut logs = logs_with(&[("local", "a")]).await;
    logs.unsettled = true;
    let (text, _) = output!(false, |out| super::run(&logs, None, How::default(), out));
    assert!(
        text.starts_with("intact as far as it can be seen  1 thread"),
        "{text}"
    );
}

#[tokio::test]
async fn every_damage_is_found_and_none_hides_the_threads_after_it() {
    let names = ["a", "corrupt", "late", "missing", "short", "z"];
    let logs = logs_with(&names.map(|name| ("local", name))).await;
    let (text, ok) = output!(true, |out| super::run(&logs, None, How::default(), out));
    assert!(!ok);
    let lines = json_lines(&text);
    let errors: Vec<Option<&str>> = lines.iter().map(|line| line["error"].as_str()).collect();
    assert_eq!(
        lines
            .iter()
            .map(|l| l["thread"].as_str().unwrap())
            .collect::<Vec<_>>(),
        names
    );
    assert_eq!(errors[0], None);
    assert!(errors[1].unwrap().contains("line 3 in x.jsonl"));
    assert_eq!(errors[2], Some("ordinal 1 is missing: 2 comes next"));
    assert_eq!(errors[3], Some("ordinal 2 is missing: 3 comes next"));
    assert_eq!(errors[4], Some("ordinals 3 to 3 are missing"));
    assert_eq!(lines[5]["ok"], Value::from(true));
    assert_eq!(lines[5]["events"], 3);
    let (text, ok) = output!(false, |out| super::run(&logs, None, How::default(), out));
    assert!(!ok);
    assert!(text.contains("damaged  4 places of 6 threads"), "{text}");
}

#[tokio::test]
async fn a_thread_that_is_archived_twice_while_it_is_read_is_intact() {
    let mut logs = memory();
    let key = logs.key("t").unwrap();
    let events = vec![SessionEvent::Done.into(); 6];
    logs.log.append(&key, &events).await.unwrap();
    let archives = Tamper::new().on_read(|_, log, key, cursor, limit| {
        Box::pin(async move {
            log.archive_before(key, 2).await?;
            let page = log.read(key, cursor, limit).await;
            log.archive_before(key, 4).await?;
            page
        })
    });
    logs.log = Arc::new(Tampered::new(archives, logs.log));
    let mut read = 0;
    let checked = super::check::check(&*logs.log, &key, None, &mut read).await;
    assert!(checked.is_ok() && read == 4, "{checked:?}, {read} events");
}
