//! A minute of the whole product.

use std::fs;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Result;
use bus_log::Entry;
use bus_log_file::FileSessionLog;
use bus_tokio::SessionBus;

use super::disk::device_bytes;
use super::durable::batch;
use crate::events::usage;
use crate::peers::fan::CAPACITY;
use crate::peers::store::{PerEventSync, Store, encode, key};
use crate::row::{
    Against, Class, Contender, Effort, Family, Goal, Measurement, Pace, Role, Row, Unit,
};
use crate::stats::Latencies;

pub(crate) fn family(effort: Effort) -> Family {
    let time = match effort {
        Effort::Smoke => Duration::from_millis(100),
        Effort::Quick => Duration::from_secs(10),
        Effort::Whole => Duration::from_secs(60),
    };
    Family {
        id: "sustained",
        title: "Sustained, the whole product",
        method: "Every session is a bus over one file log, with a subscriber that keeps up and a task that \
                 publishes token usage, one after the other, for 60 s (10 s with `--quick`): journal, \
                 session files, checkpoints, delivery. Latency is that of one `publish`.",
        rows: [(1, 1.35), (64, 25.0), (1000, 90.0)]
            .map(|(sessions, times)| {
                let title = format!(
                    "{sessions} session{}, {} s",
                    if sessions == 1 { "" } else { "s" },
                    time.as_secs()
                );
                Row::new(format!("sustained/{sessions}"), title, Unit::PerSecond)
                    .on_disk()
                    .class(Class::Long)
                    .pace(Pace::Fixed(1))
                    .rounds(1)
                    .goal(Goal::better(times, Against::Seed))
                    .with(ours(sessions, time))
                    .with(plain(time / 6))
            })
            .into(),
    }
}

fn ours(sessions: usize, time: Duration) -> Contender {
    Contender::new(
        "bus on bus-log-file",
        Role::Ours,
        "defaults, one log, one bus per session, publish().await, two workers",
        move |place| {
            let log = FileSessionLog::open(&place.dir)?;
            let buses: Vec<SessionBus> = (0..sessions)
                .map(|session| {
                    SessionBus::new(CAPACITY).with_durable_sink(log.durable_sink(key(session)))
                })
                .collect();
            let runtime = super::runtime(true)?;
            let dir = place.dir.clone();
            Ok(move |_| {
                // What was written before belongs to other rows.
                rustix::fs::syncfs(fs::File::open(&dir)?)?;
                let (before, start) = (device_bytes(&dir)?, Instant::now());
                let (mut latencies, events) = runtime.block_on(publish(&buses, start + time))?;
                let seconds = start.elapsed().as_secs_f64();
                let written = (device_bytes(&dir)? - before) as f64;
                let payload = events as f64 * encode(&Entry::from(usage(0)))?.len() as f64;
                let stats = log.stats();
                let (p50, max) = (latencies.percentile(0.5), latencies.max());
                Ok(Measurement::of(events as f64 / seconds)
                    .note("p50 ns", p50)
                    .note("p99 ns", latencies.percentile(0.99))
                    .note("max ns", max)
                    .note("bytes written per event byte", written / payload)
                    .note("checkpoints", stats.checkpoints as f64))
            })
        },
    )
}

async fn publish(buses: &[SessionBus], deadline: Instant) -> Result<(Latencies, u64)> {
    let mut tasks = Vec::with_capacity(buses.len());
    for bus in buses {
        let mut screen = bus.subscribe_envelopes();
        let reader = tokio::spawn(async move {
            let mut seen = Vec::new();
            while screen.recv_many(&mut seen, 256).await.is_ok() {
                seen.clear();
            }
        });
        let bus = bus.clone();
        tasks.push((
            reader,
            tokio::spawn(async move {
                let mut latencies = Latencies::default();
                let mut number = 0;
                while Instant::now() < deadline {
                    let start = Instant::now();
                    bus.publish(usage(number)).await?;
                    latencies.add(start.elapsed().as_nanos() as u64);
                    number += 1;
                }
                anyhow::Ok((latencies, number))
            }),
        ));
    }
    let (mut all, mut events) = (Latencies::default(), 0);
    for (reader, task) in tasks {
        let (latencies, count) = task.await??;
        all.extend(latencies);
        events += count;
        // The bus lives on in the next round: its screen would wait for ever.
        reader.abort();
    }
    Ok((all, events))
}

fn plain(time: Duration) -> Contender {
    Contender::new(
        PerEventSync::NAME,
        Role::Seed,
        PerEventSync::SETTINGS,
        move |place| {
            let store = Arc::new(PerEventSync::open(&place.dir, 1)?);
            Ok(move |_| {
                let batch = batch(1);
                let start = Instant::now();
                let mut events = 0;
                while start.elapsed() < time {
                    store.append(0, &batch)?;
                    events += 1;
                }
                Ok(Measurement::of(
                    f64::from(events) / start.elapsed().as_secs_f64(),
                ))
            })
        },
    )
}
