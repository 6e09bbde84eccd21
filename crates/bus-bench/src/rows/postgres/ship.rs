//! From a file log to the server, and back.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use bus_log::{Entry, Expect, Replication, SessionLog, ShippingLog};
use bus_log_file::FileSessionLog;

use super::server::open;
use crate::events::mixed;
use crate::peers::store::key;
use crate::row::{Contender, Effort, Measurement, Pace, Place, Role, Row, Unit};

const SESSIONS: usize = 8;
const BATCH: u64 = 64;

/// How long shipping may take before it has failed.
const LONG: Duration = Duration::from_secs(300);

pub(super) fn rows(effort: Effort) -> Vec<Row> {
    let events = if effort == Effort::Smoke {
        1024
    } else {
        1 << 16
    };
    vec![shipped(events), copied(events)]
}

fn shipped(events: u64) -> Row {
    Row::new(
        "postgres/shipped",
        "ShippingLog to the server, 8 sessions, batches of 64 of the mix",
        Unit::PerSecond,
    )
    .on_disk()
    .pace(Pace::Fixed(events))
    .with(Contender::new(
        "ShippingLog, file → PostgreSQL",
        Role::Ours,
        "defaults; all on the server",
        |place: &Place| {
            let (server, remote) = open(&place.dir)?;
            let local = FileSessionLog::open(place.dir.join("local"))?;
            let log = ShippingLog::new(Arc::new(local), Arc::new(remote))?;
            Ok(move |events| {
                let _server = &server;
                let start = Instant::now();
                fill(&log, events)?;
                let appended = start.elapsed();
                pollster::block_on(log.flush(Instant::now() + LONG))?;
                let shipped = events as f64 / start.elapsed().as_secs_f64();
                Ok(Measurement::of(shipped)
                    .note("appended events/s", events as f64 / appended.as_secs_f64()))
            })
        },
    ))
    .with(Contender::new(
        "straight to PostgreSQL",
        Role::Beside,
        "bus-log-postgres; each writer waits for the server",
        |place: &Place| {
            let (server, log) = open(&place.dir)?;
            Ok(move |events| {
                let _server = &server;
                let start = Instant::now();
                fill(&log, events)?;
                Ok(Measurement::of(
                    events as f64 / start.elapsed().as_secs_f64(),
                ))
            })
        },
    ))
}

/// Appends so many events to all sessions, each by a thread that waits for its batches.
fn fill(log: &dyn SessionLog, events: u64) -> Result<()> {
    let batch: Vec<Entry> = (0..BATCH).map(|number| mixed(number).into()).collect();
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..SESSIONS)
            .map(|session| {
                let batch = &batch;
                scope.spawn(move || -> Result<()> {
                    for _ in 0..events / BATCH / SESSIONS as u64 {
                        let key = key(session);
                        let append = log.append_entries(&key, Expect::Any, batch);
                        pollster::block_on(append)?;
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

fn copied(events: u64) -> Row {
    Row::new(
        "postgres/copied",
        "Replication between a file log and the server, 8 sessions of the mix",
        Unit::PerSecond,
    )
    .on_disk()
    .pace(Pace::Fixed(events))
    .with(Contender::new(
        "file → PostgreSQL",
        Role::Ours,
        "defaults: 8 threads at once; a new log each time",
        move |place: &Place| {
            let from = filled(&place.dir, events)?;
            let dir = place.dir.clone();
            Ok(move |_| {
                let (_server, to) = open(&dir)?;
                copy(&from, &(Arc::new(to) as Arc<dyn SessionLog>), events)
            })
        },
    ))
    .with(Contender::new(
        "PostgreSQL → file",
        Role::Beside,
        "defaults: 8 threads at once; a new log each time",
        move |place: &Place| {
            let (server, from) = open(&place.dir)?;
            fill(&from, events)?;
            let from: Arc<dyn SessionLog> = Arc::new(from);
            let dir = place.dir.clone();
            let mut run = 0;
            Ok(move |_| {
                let _server = &server;
                run += 1;
                let to: Arc<dyn SessionLog> =
                    Arc::new(FileSessionLog::open(dir.join(format!("to-{run}")))?);
                copy(&from, &to, events)
            })
        },
    ))
}

/// A file log with so many events.
fn filled(dir: &Path, events: u64) -> Result<Arc<dyn SessionLog>> {
    let log = FileSessionLog::open(dir.join("from"))?;
    fill(&log, events)?;
    Ok(Arc::new(log))
}

fn copy(from: &Arc<dyn SessionLog>, to: &Arc<dyn SessionLog>, events: u64) -> Result<Measurement> {
    let copying = Replication::new(Arc::clone(from), Arc::clone(to));
    let start = Instant::now();
    let copied = pollster::block_on(copying.all())?;
    let seconds = start.elapsed().as_secs_f64();
    ensure!(
        copied.events == events && copied.failed.is_empty(),
        "{copied:?}"
    );
    Ok(Measurement::of(events as f64 / seconds).note("MB/s", copied.bytes as f64 / 1e6 / seconds))
}
