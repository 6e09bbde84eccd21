//! One event at a time, by threads that wait for it.

use std::time::Instant;

use anyhow::Result;

use super::{batch, threads};
use crate::peers::store::raw::Raw;
use crate::peers::store::{
    FileLog, Fjall, OkayWal, PerEventSync, RaftEngine, Redb, SqliteFull, SqliteNormal, Store,
    Unsynced, enqueue_config,
};
use crate::row::{Against, Contender, Goal, Measurement, Pace, Place, Role, Row, Unit};
use crate::stats::Latencies;

/// Bytes of one event as it is written.
const EVENT_BYTES: usize = 192;

pub(super) fn rows() -> Vec<Row> {
    let mut rows: Vec<Row> = [(1, 1.35), (8, 5.0), (64, 18.0)].map(rate).into();
    rows.push(p99());
    rows.push(enqueue());
    rows
}

fn rate((writers, times): (usize, f64)) -> Row {
    let title = format!(
        "durable append, {writers} thread{}",
        if writers == 1 { "" } else { "s" }
    );
    // Level with the best peer: what is less than a tenth behind is level.
    let against_peers = if writers > 8 {
        Goal::better(1.3, Against::BestPeer)
    } else {
        Goal::better(0.9, Against::BestPeer)
    };
    Row::new(format!("durable/threads/{writers}"), title, Unit::PerSecond)
        .on_disk()
        .pace(Pace::Timed(writers as u64))
        .goal(Goal::better(times, Against::Seed))
        .goal(against_peers)
        .with(threads::<FileLog>(Role::Ours, writers, 1))
        .with(threads::<PerEventSync>(Role::Seed, writers, 1))
        .with(threads::<OkayWal>(Role::Peer, writers, 1))
        .with(threads::<RaftEngine>(Role::Peer, writers, 1))
        .with(threads::<Fjall>(Role::Peer, writers, 1))
        .with(threads::<Redb>(Role::Peer, writers, 1))
        .with(threads::<SqliteFull>(Role::Peer, writers, 1))
        .with(threads::<SqliteNormal>(Role::Beside, writers, 1))
        .with(raw(writers))
}

/// One write for all the writers' events, one sync.
pub(super) fn raw(events: usize) -> Contender {
    Contender::new(
        "raw write + fdatasync",
        Role::Limit,
        "64 MiB file, filled before; all writers' events in one write",
        move |place| {
            let mut raw = Raw::open(&place.dir, events * EVENT_BYTES)?;
            Ok(move |iterations: u64| {
                let writes = iterations.div_ceil(events as u64);
                let start = Instant::now();
                for _ in 0..writes {
                    raw.write()?;
                }
                let seconds = start.elapsed().as_secs_f64();
                Ok(Measurement::of((writes * events as u64) as f64 / seconds))
            })
        },
    )
}

fn p99() -> Row {
    Row::new(
        "durable/p99",
        "one durable append, 1 thread, p99",
        Unit::Nanos,
    )
    .on_disk()
    .pace(Pace::Timed(200))
    .goal(Goal::cost(1.3, Against::Limit))
    .with(each::<FileLog>(Role::Ours))
    .with(each::<PerEventSync>(Role::Seed))
    .with(each::<OkayWal>(Role::Peer))
    .with(each::<RaftEngine>(Role::Peer))
    .with(each::<Fjall>(Role::Peer))
    .with(each::<Redb>(Role::Peer))
    .with(each::<SqliteFull>(Role::Peer))
    .with(Contender::new(
        "raw write + fdatasync",
        Role::Limit,
        "4 KiB in place in a file that was filled before",
        |place: &Place| {
            let mut raw = Raw::open(&place.dir, EVENT_BYTES)?;
            Ok(move |iterations| timed(iterations, || raw.write()))
        },
    ))
}

/// Every call timed.
fn each<S: Store>(role: Role) -> Contender {
    Contender::new(S::NAME, role, S::SETTINGS, |place| {
        let store = S::open(&place.dir, 1)?;
        let batch = batch(1);
        store.append(0, &batch)?;
        Ok(move |iterations| timed(iterations, || store.append(0, &batch)))
    })
}

fn timed(iterations: u64, mut call: impl FnMut() -> Result<()>) -> Result<Measurement> {
    let mut latencies = Latencies::with_capacity(iterations as usize);
    for _ in 0..iterations {
        let start = Instant::now();
        call()?;
        latencies.add(start.elapsed().as_nanos() as u64);
    }
    let p50 = latencies.percentile(0.5);
    let max = latencies.max();
    Ok(Measurement::of(latencies.percentile(0.99))
        .note("p50 ns", p50)
        .note("max ns", max))
}

/// Acknowledged before it is synced, with a loss window that is bounded.
fn enqueue() -> Row {
    let ours = Contender::new(
        "bus-log-file, interval",
        Role::Ours,
        "Durability::Interval of 10 ms",
        |place| enqueuing(FileLog::open_with(&place.dir, 1, enqueue_config())?),
    );
    Row::new("durable/enqueue", "enqueue-only, 1 thread", Unit::PerSecond)
        .on_disk()
        .pace(Pace::Timed(64))
        .goal(Goal::better(4.0, Against::Seed))
        .with(ours)
        .with(threads::<Unsynced>(Role::Seed, 1, 1))
        .with(threads::<SqliteNormal>(Role::Beside, 1, 1))
}

fn enqueuing(store: FileLog) -> Result<impl FnMut(u64) -> Result<Measurement>> {
    let batch = batch(1);
    store.append(0, &batch)?;
    Ok(move |iterations| {
        let start = Instant::now();
        for _ in 0..iterations {
            store.append(0, &batch)?;
        }
        Ok(Measurement::of(
            iterations as f64 / start.elapsed().as_secs_f64(),
        ))
    })
}
