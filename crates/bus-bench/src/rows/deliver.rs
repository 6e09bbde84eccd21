//! How many events a second reach everybody.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use anyhow::{Result, ensure};

use crate::events::chunk;
use crate::peers::fan::{
    AsyncBroadcast, AsyncFan, Bus, BusMany, BusOwned, CAPACITY, Disruptor, Fan, Got, Kanal,
    Seqlock, TokioArc, TokioOwned,
};
use crate::row::{Against, Contender, Effort, Family, Goal, Measurement, Pace, Role, Row, Unit};

/// Events between two looks at the receivers.
const BURST: u64 = 64;

pub(crate) fn family(_effort: Effort) -> Family {
    Family {
        id: "deliver",
        title: "Delivered to everybody",
        method: "40-byte text chunks from a task, on a runtime with two workers, to receivers in tasks \
                 of their own; counted are events that *every* receiver has looked at. The sender goes \
                 on while the slowest is less than half the capacity behind, so nobody loses any.",
        rows: [(1, 1.5), (8, 2.5), (64, 4.0)].map(row).into(),
    }
}

fn row((receivers, times): (usize, f64)) -> Row {
    let title = format!(
        "events that reach {receivers} receiver{}",
        if receivers == 1 { "" } else { "s" }
    );
    let row = Row::new(format!("deliver/{receivers}"), title, Unit::PerSecond)
        .pace(Pace::Timed(BURST))
        .goal(Goal::better(times, Against::Seed));
    // The goal is about `recv` for one receiver, and about `recv_many` for many.
    let row = if receivers == 1 {
        row.with(of::<Bus>(receivers, Role::Ours))
            .with(of::<BusMany>(receivers, Role::OursToo))
    } else {
        row.with(of::<BusMany>(receivers, Role::Ours))
            .with(of::<Bus>(receivers, Role::OursToo))
    };
    row.with(of::<BusOwned>(receivers, Role::OursToo))
        .with(of::<TokioOwned>(receivers, Role::Seed))
        .with(of::<TokioArc>(receivers, Role::Peer))
        .with(of::<AsyncBroadcast>(receivers, Role::Peer))
        .with(of::<Kanal>(receivers, Role::Peer))
        .with(Contender::absent(
            Disruptor::NAME,
            Disruptor::ROLE,
            "its receivers can't wait in a task",
        ))
        .with(of::<Seqlock>(receivers, Role::Limit))
}

fn of<F: AsyncFan>(receivers: usize, role: Role) -> Contender {
    Contender::new(F::NAME, role, F::SETTINGS, move |_| {
        let runtime = super::runtime(true)?;
        Ok(move |iterations| {
            // Every receiver sees every event: 64 of them need no more deliveries than 1 does.
            runtime.block_on(async move { tokio::spawn(run::<F>(receivers, iterations)).await })?
        })
    })
}

/// A counter on cache lines of its own.
#[repr(align(128))]
#[derive(Default)]
struct Counter(AtomicU64);

async fn run<F: AsyncFan>(count: usize, iterations: u64) -> Result<Measurement> {
    let (mut sender, receivers) = F::open(count);
    let mut counters = Vec::new();
    counters.resize_with(count, Counter::default);
    let counters: Arc<[Counter]> = counters.into();
    let slowest = || {
        let counts = counters
            .iter()
            .map(|counter| counter.0.load(Ordering::Acquire));
        counts.min().unwrap_or(0)
    };
    let total = iterations.next_multiple_of(BURST);
    let mut tasks = Vec::with_capacity(count);
    for (number, mut receiver) in receivers.into_iter().enumerate() {
        let counters = Arc::clone(&counters);
        tasks.push(tokio::spawn(async move {
            let (mut seen, mut lost) = (0, 0);
            while seen + lost < total {
                match F::recv(&mut receiver).await {
                    Got::Events(count) => seen += count,
                    Got::Lost(count) => lost += count,
                    Got::Nothing => {}
                    Got::Closed => break,
                }
                counters[number].0.store(seen + lost, Ordering::Release);
            }
            lost
        }));
    }
    let start = Instant::now();
    let mut sent = 0;
    while sent < total {
        for _ in 0..BURST {
            F::send(&mut sender, chunk());
        }
        sent += BURST;
        while sent - slowest() > CAPACITY as u64 / 2 {
            tokio::task::yield_now().await;
        }
    }
    let mut lost = 0;
    for task in tasks {
        lost += task.await?;
    }
    let took = start.elapsed();
    ensure!(lost == 0, "receivers lost {lost} events");
    Ok(Measurement::of(total as f64 / took.as_secs_f64()))
}
