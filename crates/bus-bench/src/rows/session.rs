//! One session with many emitters, and what a blocking emit costs a runtime.

use std::io::Write;
use std::path::Path;
use std::sync::{Arc, Barrier, Mutex, PoisonError};
use std::time::Instant;

use anyhow::{Result, anyhow};
use bus_core::SessionEvent;
use bus_log_file::FileSessionLog;
use bus_tokio::SessionBus;
use tokio::sync::broadcast;

use crate::events::usage;
use crate::peers::fan::CAPACITY;
use crate::peers::store::key;
use crate::row::{Contender, Effort, Family, Measurement, Pace, Role, Row, Unit};
use crate::stats::Latencies;

pub(crate) fn family(_effort: Effort) -> Family {
    let mut rows: Vec<Row> = [1, 8, 64].into_iter().map(emitters).collect();
    rows.push(held());
    Family {
        id: "session",
        title: "One session, whole: emit to disk and to subscribers",
        method: "Token usage emitted on one bus by so many threads, each of which waits until its event \
                 is durable and broadcast; one subscriber. The plain way is a lock around a file of JSON \
                 lines, synced per event, then tokio's broadcast. *Held*: 8 tasks on two workers call \
                 the blocking `emit`; the figure is how long one call keeps its worker from all other \
                 tasks.",
        rows,
    }
}

/// The plain session.
struct Plain {
    file: Mutex<std::fs::File>,
    live: broadcast::Sender<SessionEvent>,
}

impl Plain {
    fn open(dir: &Path) -> Result<Self> {
        Ok(Self {
            file: Mutex::new(std::fs::File::create(dir.join("events.jsonl"))?),
            live: broadcast::channel(CAPACITY).0,
        })
    }

    fn emit(&self, event: SessionEvent) -> Result<()> {
        let mut line = serde_json::to_vec(&event)?;
        line.push(b'\n');
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        file.write_all(&line)?;
        file.sync_data()?;
        drop(file);
        let _ = self.live.send(event);
        Ok(())
    }
}

/// A bus on a file log. The log is dropped after it.
fn bus(dir: &Path) -> Result<(SessionBus, FileSessionLog)> {
    let log = FileSessionLog::open(dir)?;
    let bus = SessionBus::new(CAPACITY).with_durable_sink(log.durable_sink(key(0)));
    Ok((bus, log))
}

const OURS: &str = "bus on bus-log-file";
const OURS_SETTINGS: &str = "SessionBus::new(1024).with_durable_sink(log.durable_sink(key))";
const PLAIN: &str = "lock, line, sync, broadcast";
const PLAIN_SETTINGS: &str = "Mutex<File>, sync_data per event, tokio broadcast";

fn emitters(threads: usize) -> Row {
    let title = format!(
        "one session, {threads} emitter{}",
        if threads == 1 { "" } else { "s" }
    );
    Row::new(
        format!("session/emitters/{threads}"),
        title,
        Unit::PerSecond,
    )
    .on_disk()
    .pace(Pace::Timed(threads as u64))
    .with(Contender::new(
        OURS,
        Role::Ours,
        OURS_SETTINGS,
        move |place| {
            let (bus, log) = bus(&place.dir)?;
            let _listens = bus.subscribe_envelopes();
            bus.emit(usage(0));
            Ok(move |iterations| {
                let _ = (&log, &_listens);
                let bus = bus.clone();
                together(threads, iterations, move |number| {
                    bus.try_emit(usage(number))?;
                    Ok(())
                })
            })
        },
    ))
    .with(Contender::new(
        PLAIN,
        Role::Seed,
        PLAIN_SETTINGS,
        move |place| {
            let plain = Arc::new(Plain::open(&place.dir)?);
            let _listens = plain.live.subscribe();
            Ok(move |iterations| {
                let _ = &_listens;
                let plain = Arc::clone(&plain);
                together(threads, iterations, move |number| plain.emit(usage(number)))
            })
        },
    ))
}

/// Events per second of so many threads that do `call` as often as they can.
fn together(
    threads: usize,
    iterations: u64,
    call: impl Fn(u64) -> Result<()> + Clone + Send + 'static,
) -> Result<Measurement> {
    let each = iterations.div_ceil(threads as u64);
    let barrier = Arc::new(Barrier::new(threads + 1));
    let spawned: Vec<_> = (0..threads)
        .map(|_| {
            let (barrier, call) = (Arc::clone(&barrier), call.clone());
            std::thread::spawn(move || -> Result<()> {
                barrier.wait();
                (0..each).try_for_each(call)
            })
        })
        .collect();
    barrier.wait();
    let start = Instant::now();
    for thread in spawned {
        thread
            .join()
            .map_err(|_| anyhow!("an emitter panicked"))??;
    }
    let events = each * threads as u64;
    Ok(Measurement::of(
        events as f64 / start.elapsed().as_secs_f64(),
    ))
}

const HOLDERS: u64 = 8;

fn held() -> Row {
    Row::new(
        "session/held",
        "a worker held by a blocking emit, p99",
        Unit::Nanos,
    )
    .on_disk()
    .pace(Pace::Timed(20 * HOLDERS))
    .with(Contender::new(OURS, Role::Ours, OURS_SETTINGS, |place| {
        let (bus, log) = bus(&place.dir)?;
        bus.emit(usage(0));
        Ok(move |iterations| {
            let _ = &log;
            let bus = bus.clone();
            holding(iterations, move |number| {
                bus.try_emit(usage(number))?;
                Ok(())
            })
        })
    }))
    .with(Contender::new(PLAIN, Role::Seed, PLAIN_SETTINGS, |place| {
        let plain = Arc::new(Plain::open(&place.dir)?);
        Ok(move |iterations| {
            let plain = Arc::clone(&plain);
            holding(iterations, move |number| plain.emit(usage(number)))
        })
    }))
}

/// How long the calls take within tasks that make them.
fn holding(
    iterations: u64,
    call: impl Fn(u64) -> Result<()> + Clone + Send + Sync + 'static,
) -> Result<Measurement> {
    let runtime = super::runtime(true)?;
    let each = iterations.div_ceil(HOLDERS);
    let mut all = Latencies::default();
    runtime.block_on(async {
        let tasks: Vec<_> = (0..HOLDERS)
            .map(|_| {
                let call = call.clone();
                tokio::spawn(async move {
                    let mut latencies = Latencies::with_capacity(each as usize);
                    for number in 0..each {
                        let start = Instant::now();
                        call(number)?;
                        latencies.add(start.elapsed().as_nanos() as u64);
                        tokio::task::yield_now().await;
                    }
                    anyhow::Ok(latencies)
                })
            })
            .collect();
        for task in tasks {
            all.extend(task.await??);
        }
        anyhow::Ok(())
    })?;
    let (p50, max) = (all.percentile(0.5), all.max());
    Ok(Measurement::of(all.percentile(0.99))
        .note("p50 ns", p50)
        .note("max ns", max))
}
