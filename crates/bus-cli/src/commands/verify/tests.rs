use std::sync::Arc;

use bus_log::{
    Bounds, Entry, Expect, LogError, Page, Result, SessionEvent, SessionLog, TenantId, ThreadKey,
    ThreadSummary, async_trait,
};
use serde_json::Value;

use super::How;
use crate::commands::tests::{json_lines, output};
use crate::logs::Logs;
use crate::logs::tests::memory;
use crate::output::Out;
use crate::output::tests::Shared;

/// A log that reads wrongly from threads of certain names.
struct Faulty(Arc<dyn SessionLog>);

#[async_trait]
impl SessionLog for Faulty {
    async fn append_entries(
        &self,
        key: &ThreadKey,
        expect: Expect,
        entries: &[Entry],
    ) -> Result<u64> {
        self.0.append_entries(key, expect, entries).await
    }

    async fn read(&self, key: &ThreadKey, cursor: u64, limit: usize) -> Result<Page> {
        let mut page = self.0.read(key, cursor, limit).await?;
        match key.thread_id() {
            "corrupt" => return Err(LogError::corrupt("checksum of line 3 in x.jsonl")),
            "missing" => page.events.retain(|event| event.ordinal != 2),
            "second" if page.events.iter().any(|event| event.ordinal == 2) => {
                return Err(LogError::corrupt("checksum of line 3 in x.jsonl"));
            }
            "short" => page.events.retain(|event| event.ordinal < 3),
            "late" => page.events.retain(|event| event.ordinal > 1),
            _ => {}
        }
        Ok(page)
    }

    async fn archive_before(&self, key: &ThreadKey, watermark: u64) -> Result<usize> {
        self.0.archive_before(key, watermark).await
    }

    async fn bounds(&self, key: &ThreadKey) -> Result<Bounds> {
        self.0.bounds(key).await
    }

    async fn list(
        &self,
        tenant: &TenantId,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<ThreadSummary>> {
        self.0.list(tenant, after, limit).await
    }

    async fn tenants(&self, after: Option<&TenantId>, limit: usize) -> Result<Vec<TenantId>> {
        self.0.tenants(after, limit).await
    }

    async fn erase(&self, key: &ThreadKey) -> Result<()> {
        self.0.erase(key).await
    }
}

async fn logs_with(threads: &[(&str, &str)]) -> Logs {
    let mut logs = memory();
    let events = vec![SessionEvent::Done.into(); 3];
    for (tenant, thread) in threads {
        let key = ThreadKey::new(TenantId::new(*tenant), *thread);
        logs.log.append(&key, &events).await.unwrap();
    }
    logs.log = Arc::new(Faulty(logs.log));
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
