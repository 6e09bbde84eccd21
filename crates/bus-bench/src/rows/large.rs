//! Ten million events in ten thousand sessions.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use bus_core::TenantId;
use bus_log::{Entry, Expect, SessionLog};
use bus_log_file::FileSessionLog;
use serde::{Deserialize, Serialize};

use crate::child::{self, Child, weigh};
use crate::events::mixed;
use crate::peers::store::{FileLog, Store, key};
use crate::row::{Class, Contender, Effort, Family, Measurement, Pace, Role, Row, Unit};

const EACH: u64 = 1000;
const BATCH: u64 = 100;

pub(crate) fn family(effort: Effort) -> Family {
    let sessions = match effort {
        Effort::Smoke => 5,
        Effort::Quick => 500,
        Effort::Whole => 10_000,
    };
    Family {
        id: "large",
        title: "A large log",
        method: "10,000 sessions (500 with `--quick`) of 1000 events of the mix, appended in batches of \
                 100, every session in turn, by 16 threads. Then a process of its own opens the folder, \
                 reads the last 1000 of some sessions, lists all sessions, and reads every event raw, as \
                 `bus verify` does. Resident memory is what opening and listing added; disk is what the \
                 files take after a clean close.",
        rows: vec![
            Row::new(
                "large/sessions",
                format!(
                    "{} events in {sessions} sessions, appended",
                    sessions * EACH
                ),
                Unit::PerSecond,
            )
            .class(Class::Long)
            .on_disk()
            .pace(Pace::Fixed(sessions))
            .rounds(1)
            .with(Contender::new(
                FileLog::NAME,
                Role::Ours,
                "defaults",
                |place| {
                    let dir = place.dir.clone();
                    Ok(move |sessions| run(&dir, sessions))
                },
            )),
        ],
    }
}

fn run(dir: &Path, sessions: u64) -> Result<Measurement> {
    let events = sessions * EACH;
    let start = Instant::now();
    fill(dir, sessions)?;
    let took = start.elapsed();
    let mut child = Child::start(&["open-large", &child::text(dir)?, &sessions.to_string()])?;
    let found: Found = serde_json::from_str(&child.line()?)?;
    child.finish()?;
    ensure!(
        found.events == events,
        "verified {} of {events} events",
        found.events
    );
    let bytes = disk_bytes(dir)?;
    fs::remove_dir_all(dir)?;
    Ok(Measurement::of(events as f64 / took.as_secs_f64())
        .note("open ns", found.open_nanos)
        .note("list ns", found.list_nanos)
        .note("resident MiB", found.resident_mib)
        .note("last 1000 ns", found.last_nanos)
        .note("disk bytes per event", bytes as f64 / events as f64)
        .note("verified events/s", events as f64 / found.verify_seconds))
}

fn fill(dir: &Path, sessions: u64) -> Result<()> {
    const THREADS: u64 = 16;
    let log = FileSessionLog::open(dir)?;
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS)
            .map(|thread| {
                let log = &log;
                scope.spawn(move || -> Result<()> {
                    for first in (0..EACH).step_by(BATCH as usize) {
                        let batch: Vec<Entry> = (first..first + BATCH)
                            .map(|number| mixed(number).into())
                            .collect();
                        for session in (thread..sessions).step_by(THREADS as usize) {
                            let key = key(session as usize);
                            pollster::block_on(log.append_entries(&key, Expect::Any, &batch))?;
                        }
                    }
                    Ok(())
                })
            })
            .collect();
        for thread in threads {
            thread
                .join()
                .map_err(|_| anyhow::anyhow!("a writer panicked"))??;
        }
        Ok(())
    })
}

/// Bytes on disk below a folder: blocks, not lengths.
fn disk_bytes(dir: &Path) -> Result<u64> {
    use std::os::unix::fs::MetadataExt;
    let mut bytes = 0;
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let metadata = entry.metadata()?;
        bytes += metadata.blocks() * 512;
        if metadata.is_dir() {
            bytes += disk_bytes(&entry.path())?;
        }
    }
    Ok(bytes)
}

#[derive(Serialize, Deserialize)]
struct Found {
    open_nanos: f64,
    list_nanos: f64,
    resident_mib: f64,
    last_nanos: f64,
    verify_seconds: f64,
    events: u64,
}

/// The child's part: a process that has only just come.
pub(crate) fn open(dir: &Path, sessions: u64) -> Result<()> {
    let before = weigh::resident()?;
    let start = Instant::now();
    let log = FileSessionLog::open(dir)?;
    let open = start.elapsed();
    let mut last = Duration::ZERO;
    let probes: Vec<u64> = (0..sessions)
        .step_by((sessions / 20).max(1) as usize)
        .collect();
    for session in &probes {
        let start = Instant::now();
        let key = key(*session as usize);
        let bounds = pollster::block_on(log.bounds(&key))?;
        let read = pollster::block_on(log.load_since(&key, bounds.last.saturating_sub(1000)))?;
        last += start.elapsed();
        ensure!(read.len() as u64 == EACH, "read {} events", read.len());
    }
    let start = Instant::now();
    let keys = list(&log)?;
    let listed = start.elapsed();
    ensure!(
        keys.len() as u64 == sessions,
        "listed {} sessions",
        keys.len()
    );
    let resident = weigh::resident()?.saturating_sub(before);
    let start = Instant::now();
    let mut events = 0;
    for key in &keys {
        let mut cursor = 0;
        loop {
            let page = pollster::block_on(log.read_raw(key, cursor, 4096))?;
            events += page.events.len() as u64;
            match page.last() {
                Some(last) if page.more => cursor = last,
                _ => break,
            }
        }
    }
    let found = Found {
        open_nanos: open.as_nanos() as f64,
        list_nanos: listed.as_nanos() as f64,
        resident_mib: resident as f64 / f64::from(1 << 20),
        last_nanos: last.as_nanos() as f64 / probes.len() as f64,
        verify_seconds: start.elapsed().as_secs_f64(),
        events,
    };
    println!("{}", serde_json::to_string(&found)?);
    Ok(())
}

fn list(log: &FileSessionLog) -> Result<Vec<bus_core::ThreadKey>> {
    let tenant = TenantId::new("bench");
    let mut keys: Vec<bus_core::ThreadKey> = Vec::new();
    loop {
        let after = keys.last().map(|key| key.thread_id().to_owned());
        let page = pollster::block_on(log.list(&tenant, after.as_deref(), 1000))?;
        if page.is_empty() {
            return Ok(keys);
        }
        keys.extend(page.into_iter().map(|summary| summary.key));
    }
}
