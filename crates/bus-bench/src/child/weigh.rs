//! What one more session, or one more parked subscriber, adds to the resident memory.

use std::fs;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context as Polling, Waker};

use anyhow::{Context, Result, bail};
use bus_log::{InMemorySessionLog, LogWriter};
use bus_tokio::SessionBus;

use crate::peers::fan::{
    AsyncBroadcast, AsyncFan, Bus, CAPACITY, Fan, Kanal, TokioArc, TokioOwned,
};
use crate::peers::store::key;

/// Prints the bytes of each of `count`.
pub(super) fn run(what: &str, count: usize) -> Result<()> {
    let bytes = match what {
        "bus" => each(count, |_| SessionBus::new(CAPACITY)),
        "bus-log" => {
            let writer = LogWriter::new(Arc::new(InMemorySessionLog::new()));
            each(count, move |number| {
                SessionBus::new(CAPACITY).with_log_writer(&writer, key(number))
            })
        }
        "tokio-owned" => each(count, |_| TokioOwned::open(0)),
        "tokio-arc" => each(count, |_| TokioArc::open(0)),
        "async-broadcast" => each(count, |_| AsyncBroadcast::open(0)),
        "kanal" => each(count, |_| Kanal::open(1)),
        "parked-bus" => parked::<Bus>(count),
        "parked-tokio-owned" => parked::<TokioOwned>(count),
        "parked-tokio-arc" => parked::<TokioArc>(count),
        "parked-async-broadcast" => parked::<AsyncBroadcast>(count),
        "parked-kanal" => parked::<Kanal>(count),
        other => bail!("nothing to weigh: {other}"),
    }?;
    println!("{bytes}");
    Ok(())
}

fn each<T>(count: usize, make: impl Fn(usize) -> T) -> Result<f64> {
    // The first one may set up what all share.
    let mut kept = Vec::with_capacity(count + 1);
    kept.push(make(count));
    let before = resident()?;
    kept.extend((0..count).map(make));
    let bytes = (resident()? - before) as f64 / count as f64;
    drop(kept);
    Ok(bytes)
}

/// Receivers of one channel, each in a boxed future that was polled once and waits.
fn parked<F: AsyncFan>(count: usize) -> Result<f64> {
    let (mut sender, warm) = F::open(1);
    F::send(&mut sender, crate::events::chunk());
    drop((sender, warm));
    let before = resident()?;
    let (sender, receivers) = F::open(count);
    let mut waiting = Vec::with_capacity(count);
    for mut receiver in receivers {
        let mut future = Box::pin(async move { F::recv(&mut receiver).await });
        let polled = pin!(&mut future).poll(&mut Polling::from_waker(Waker::noop()));
        if polled.is_ready() {
            bail!("a receiver found something in an empty channel");
        }
        waiting.push(future);
    }
    let bytes = (resident()? - before) as f64 / count as f64;
    drop((sender, waiting));
    Ok(bytes)
}

/// Bytes of this process that are in memory.
pub(crate) fn resident() -> Result<u64> {
    let text = fs::read_to_string("/proc/self/status")?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.context("no VmRSS")?.trim().trim_end_matches(" kB");
    Ok(kib.trim().parse::<u64>()? * 1024)
}
