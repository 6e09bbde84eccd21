//! Whose threads are meant.

use bus_log::{ExecutionContext, SessionEvent, ThreadKey};

use crate::support::Log;

#[tokio::test]
async fn whoever_names_no_tenant_sees_what_a_framework_records_that_names_none() {
    let log = Log::new();
    let files = bus_open::open(log.dir().to_str().unwrap()).await.unwrap();
    let key = ThreadKey::from_ctx(&ExecutionContext::new().with_thread_id("t")).unwrap();
    files
        .append(&key, &[SessionEvent::Done.into()])
        .await
        .unwrap();
    drop(files);
    assert_eq!(log.json(&["ls"])[0]["thread"], "t");
    let text = log.ok(&["--tenant", "acme", "ls"]);
    assert!(text.contains("other tenants: \"default\""), "{text}");
    assert!(log.json(&["--tenant", "acme", "ls"]).is_empty());
}

#[test]
fn tenants_are_apart() {
    let log = Log::new();
    log.fill("t", 1);
    let other = log.feed(
        &["--tenant", "acme", "record", "--thread", "t"],
        "{\"type\":\"acme.note\"}\n{\"type\":\"acme.note\"}\n",
    );
    assert_eq!(other.code, Some(0), "{}", other.stderr);
    assert_eq!(log.json(&["ls"])[0]["last"], 1);
    assert_eq!(log.json(&["--tenant", "acme", "ls"])[0]["last"], 2);
    assert_eq!(log.json(&["verify"]).len(), 2);
    assert_eq!(log.json(&["--tenant", "acme", "verify"]).len(), 1);
    let output = log
        .command(&["ls", "--json"])
        .env("BUS_TENANT", "acme")
        .output()
        .unwrap();
    assert!(
        String::from_utf8(output.stdout)
            .unwrap()
            .contains("\"last\":2")
    );
}
