//! How long an event is under way.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use anyhow::Result;

use crate::events::chunk;
use crate::peers::fan::{
    AsyncBroadcast, AsyncFan, Bus, Disruptor, Fan, Got, Kanal, Seqlock, TokioArc, TokioOwned,
};
use crate::row::{Against, Contender, Effort, Family, Goal, Measurement, Pace, Row, Unit};
use crate::stats::Latencies;

pub(crate) fn family(_effort: Effort) -> Family {
    Family {
        id: "latency",
        title: "From emit to recv",
        method: "One event at a time, from a task to parked receivers on the same current-thread \
                 runtime: from the call of emit until the receiver's task has the event. The figure is \
                 the median over all receivers; p99 beside it.",
        rows: vec![row(1, 0.65), row(64, 1.3)],
    }
}

fn row(receivers: usize, cost: f64) -> Row {
    let title = match receivers {
        1 => "emit → recv, 1 receiver, p50".to_owned(),
        _ => format!("emit → recv, {receivers} receivers, p50"),
    };
    Row::new(format!("latency/{receivers}"), title, Unit::Nanos)
        .pace(Pace::Timed(64))
        .goal(Goal::cost(cost, Against::Seed))
        .with(of::<Bus>(receivers))
        .with(of::<TokioOwned>(receivers))
        .with(of::<TokioArc>(receivers))
        .with(of::<AsyncBroadcast>(receivers))
        .with(of::<Kanal>(receivers))
        .with(Contender::absent(
            Disruptor::NAME,
            Disruptor::ROLE,
            "its receivers can't wait in a task",
        ))
        .with(of::<Seqlock>(receivers))
}

fn of<F: AsyncFan>(receivers: usize) -> Contender {
    Contender::new(F::NAME, F::ROLE, F::SETTINGS, move |_| {
        let runtime = super::runtime(false)?;
        Ok(move |iterations| runtime.block_on(run::<F>(receivers, iterations)))
    })
}

async fn run<F: AsyncFan>(count: usize, iterations: u64) -> Result<Measurement> {
    let (mut sender, receivers) = F::open(count);
    let base = Instant::now();
    let sent_at = Arc::new(AtomicU64::new(0));
    let taken = Arc::new(AtomicU64::new(0));
    let mut tasks = Vec::with_capacity(count);
    for mut receiver in receivers {
        let (sent_at, taken) = (Arc::clone(&sent_at), Arc::clone(&taken));
        tasks.push(tokio::spawn(async move {
            let mut latencies = Latencies::with_capacity(iterations as usize);
            for _ in 0..iterations {
                if let Got::Events(_) = F::recv(&mut receiver).await {
                    let now = base.elapsed().as_nanos() as u64;
                    latencies.add(now - sent_at.load(Ordering::Relaxed));
                    taken.fetch_add(1, Ordering::Relaxed);
                }
            }
            latencies
        }));
    }
    for sent in 1..=iterations {
        for _ in 0..4 {
            tokio::task::yield_now().await;
        }
        let event = chunk();
        sent_at.store(base.elapsed().as_nanos() as u64, Ordering::Relaxed);
        F::send(&mut sender, event);
        while taken.load(Ordering::Relaxed) < sent * count as u64 {
            tokio::task::yield_now().await;
        }
    }
    let mut all = Latencies::default();
    for task in tasks {
        all.extend(task.await?);
    }
    let p99 = all.percentile(0.99);
    Ok(Measurement::of(all.percentile(0.5)).note("p99 ns", p99))
}
