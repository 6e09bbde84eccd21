//! What a folder of very many sessions costs: opening it, listing all of them, memory and open files.
//!
//! `cargo run --release -p bus-log-file --example many_sessions -- 50000`; without a number only 500.

use std::fs;
use std::path::Path;
use std::time::Instant;

use bus_log_file::{FileLogConfig, FileSessionLog, SessionEvent, SessionLog, TenantId, ThreadKey};

type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

#[tokio::main]
async fn main() -> Result<()> {
    let sessions: usize = std::env::args()
        .nth(1)
        .map_or(Ok(500), |text| text.parse())?;
    let dir = tempfile::tempdir()?;
    let tenant = TenantId::new("acme");
    let start = Instant::now();
    fill(dir.path(), &tenant, sessions)?;
    println!("{sessions} sessions written in {:.1?}", start.elapsed());

    let before = resident()?;
    let start = Instant::now();
    let log = FileSessionLog::open(dir.path())?;
    println!("opened in            {:.1?}", start.elapsed());
    for round in ["first", "again"] {
        let start = Instant::now();
        let listed = list(&log, &tenant).await?;
        assert_eq!(listed, sessions);
        println!("all listed, {round}    {:.1?}", start.elapsed());
    }
    let start = Instant::now();
    assert_eq!(log.tenants(None, 10).await?, [tenant]);
    println!("tenants              {:.1?}", start.elapsed());
    let memory = resident()?.saturating_sub(before);
    println!(
        "memory for it        {} KiB, {} bytes a session; {} files open",
        memory >> 10,
        memory / sessions as u64,
        fs::read_dir("/proc/self/fd")?.count(),
    );
    Ok(())
}

fn fill(dir: &Path, tenant: &TenantId, sessions: usize) -> Result<()> {
    let log = FileSessionLog::open_with(dir, FileLogConfig::default().with_open_threads(4096))?;
    let mut tickets = Vec::new();
    for n in 0..sessions {
        let sink = log.durable_sink(ThreadKey::new(tenant.clone(), format!("session-{n:07}")));
        tickets.push(sink.submit(SessionEvent::Done.into()));
    }
    for ticket in tickets {
        ticket.wait()?;
    }
    Ok(())
}

/// Lists all, a thousand a page.
async fn list(log: &FileSessionLog, tenant: &TenantId) -> Result<usize> {
    let mut listed = 0;
    let mut after: Option<String> = None;
    loop {
        let page = log.list(tenant, after.as_deref(), 1000).await?;
        let Some(last) = page.last() else {
            return Ok(listed);
        };
        after = Some(last.key.thread_id().to_owned());
        listed += page.len();
    }
}

/// Resident memory in bytes.
fn resident() -> Result<u64> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib: u64 = line
        .and_then(|line| line.split_whitespace().next())
        .ok_or("no VmRSS")?
        .parse()?;
    Ok(kib << 10)
}
