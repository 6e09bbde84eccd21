//! A session on disk: append, open again, read on from a cursor, hide what is old, look at the file.
//!
//! `cargo run -p bus-log-file --example a_session`

use bus_log_file::{FileSessionLog, LogErrorKind, SessionEvent, SessionLog, TenantId, ThreadKey};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let dir = tempfile::tempdir()?;
    let key = ThreadKey::new(TenantId::new("acme"), "session-7");

    let log = FileSessionLog::open(dir.path())?;
    // One batch: all of it is on disk, or none.
    let turn = [
        SessionEvent::TextComplete("41 or 42?".to_owned()).into(),
        SessionEvent::Done.into(),
    ];
    let last = log.append(&key, &turn).await?;
    println!("on disk up to ordinal {last}");
    drop(log);

    // The process has ended, and another one goes on.
    let log = FileSessionLog::open(dir.path())?;
    println!("recovered: {:?}", log.recovery());
    let answer = [SessionEvent::TextComplete("42".to_owned()).into()];
    log.append_expecting(&key, last, &answer).await?;
    // Who has not seen that is told, and nothing is written twice.
    let error = log.append_expecting(&key, last, &answer).await;
    let error = error.expect_err("another event has the ordinal");
    assert_eq!(error.kind(), LogErrorKind::Conflict);

    let page = log.read(&key, last, 100).await?;
    for recorded in &page.events {
        println!("{}: {}", recorded.ordinal, recorded.event.to_json());
    }

    log.archive_before(&key, 1).await?;
    let bounds = log.bounds(&key).await?;
    println!("readable: {} to {}", bounds.first, bounds.last);

    for tenant in std::fs::read_dir(dir.path().join("threads"))? {
        for file in std::fs::read_dir(tenant?.path())? {
            let path = file?.path();
            if path.extension().is_some_and(|kind| kind == "jsonl") {
                print!("{}", std::fs::read_to_string(path)?);
            }
        }
    }
    Ok(())
}
