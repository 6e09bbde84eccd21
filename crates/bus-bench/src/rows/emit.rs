//! What one `emit` costs its caller.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow, ensure};
use tokio::runtime::Builder;

use super::stuck::emit_all;
use crate::events::chunk;
use crate::peers::fan::{
    AsyncBroadcast, AsyncFan, Bus, Disruptor, Fan, Got, Kanal, Seqlock, TokioArc, TokioOwned,
};
use crate::row::{Against, Contender, Effort, Family, Goal, Measurement, Pace, Row, Unit};

/// Far below the capacity: nobody lags, and nobody blocks.
const BURST: u64 = 128;
/// How far behind the receivers may be when the next burst begins.
const BEHIND: u64 = 512;

pub(crate) fn family(_effort: Effort) -> Family {
    let mut rows: Vec<Row> = [0, 1, 8, 64].into_iter().map(hot).collect();
    for from in [From::Worker, From::OneThread, From::Main] {
        rows.extend([8, 64].map(|receivers| parked(receivers, from)));
    }
    Family {
        id: "emit",
        title: "One emit",
        method: "A 40-byte text chunk. *Hot*: bursts of 128 from one thread, while another one gives every \
                 receiver in turn what was sent; the next burst begins when the last receiver is less \
                 than half the ring behind. *Parked*: one event at a time, when every receiver waits in a \
                 task of its own; only the call is timed. Waking costs differ by where the emitter runs: \
                 in a task of a runtime with two workers (which the goal is about), in one of a \
                 current-thread runtime, in `main` beside two workers, where each burst of wakes begins \
                 with a futex.",
        rows,
    }
}

fn hot(receivers: usize) -> Row {
    let title = match receivers {
        0 => "emit, nobody listens".to_owned(),
        1 => "emit, hot ring, 1 receiver".to_owned(),
        _ => format!("emit, hot ring, {receivers} receivers"),
    };
    Row::new(format!("emit/hot/{receivers}"), title, Unit::Nanos)
        .pace(Pace::Timed(BURST))
        .goal(Goal::cost(1.3, Against::Named(TokioArc::NAME)))
        .with(hot_of::<Bus>(receivers))
        .with(hot_of::<TokioOwned>(receivers))
        .with(hot_of::<TokioArc>(receivers))
        .with(hot_of::<AsyncBroadcast>(receivers))
        .with(hot_of::<Kanal>(receivers))
        .with(hot_of::<Disruptor>(receivers))
        .with(hot_of::<Seqlock>(receivers))
}

fn hot_of<F: Fan>(receivers: usize) -> Contender {
    Contender::new(F::NAME, F::ROLE, F::SETTINGS, move |_| {
        Ok(move |iterations| hot_run::<F>(receivers, iterations))
    })
}

fn hot_run<F: Fan>(count: usize, iterations: u64) -> Result<Measurement> {
    let (mut sender, receivers) = F::open(count);
    let shared = Arc::new(Hot::default());
    let drainer = (count > 0).then(|| {
        let shared = Arc::clone(&shared);
        thread::spawn(move || drain::<F>(receivers, &shared))
    });
    let bursts = iterations.div_ceil(BURST);
    let mut spent = Duration::ZERO;
    for burst in 1..=bursts {
        let mut events = Vec::with_capacity(BURST as usize);
        events.resize_with(BURST as usize, chunk);
        let start = Instant::now();
        for event in events.drain(..) {
            F::send(&mut sender, event);
        }
        spent += start.elapsed();
        shared.sent.store(burst * BURST, Ordering::Release);
        while count > 0 && burst * BURST - shared.taken.load(Ordering::Acquire) > BEHIND {
            std::hint::spin_loop();
        }
    }
    shared.ended.store(true, Ordering::Release);
    if let Some(drainer) = drainer {
        let lost = drainer
            .join()
            .map_err(|_| anyhow!("the receiving thread panicked"))?;
        ensure!(lost == 0, "receivers lost {lost} events");
    }
    Ok(Measurement::of(
        spent.as_nanos() as f64 / (bursts * BURST) as f64,
    ))
}

/// What the two threads tell each other, each on cache lines of its own.
#[derive(Default)]
struct Hot {
    sent: Padded<AtomicU64>,
    /// So many have all receivers.
    taken: Padded<AtomicU64>,
    ended: Padded<AtomicBool>,
}

#[repr(align(128))]
#[derive(Default)]
struct Padded<T>(T);

impl<T> std::ops::Deref for Padded<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

/// Gives every receiver in turn what was sent until then; never asks a channel that is empty, which
/// would only measure how hard one can knock on its lock. Returns how many events were lost.
fn drain<F: Fan>(mut receivers: Vec<F::Receiver>, shared: &Hot) -> u64 {
    let (mut lost, mut taken) = (0, 0);
    let mut surplus = vec![0; receivers.len()];
    loop {
        let sent = shared.sent.load(Ordering::Acquire);
        if sent == taken {
            if shared.ended.load(Ordering::Acquire) {
                return lost;
            }
            std::hint::spin_loop();
            continue;
        }
        for (receiver, surplus) in receivers.iter_mut().zip(&mut surplus) {
            // Some give more than was asked for.
            let mut seen = taken + *surplus;
            while seen < sent {
                match F::try_recv(receiver) {
                    Got::Events(count) => seen += count,
                    Got::Lost(count) => {
                        lost += count;
                        seen += count;
                    }
                    Got::Nothing => std::hint::spin_loop(),
                    Got::Closed => return lost,
                }
            }
            *surplus = seen - sent;
        }
        taken = sent;
        shared.taken.store(taken, Ordering::Release);
    }
}

/// Where the emitter runs: waking costs differ by far. The goal is about a worker: that is where
/// agents run.
#[derive(Clone, Copy, PartialEq, Eq)]
enum From {
    /// A task, on a runtime that is one thread.
    OneThread,
    /// A task, on one of two workers.
    Worker,
    /// The future of `block_on`, beside two workers: what `#[tokio::main]` makes of `main`.
    Main,
}

fn parked(receivers: usize, from: From) -> Row {
    let (id, place) = match from {
        From::OneThread => ("emit/parked-one-thread", "one thread"),
        From::Worker => ("emit/parked", "from a worker"),
        From::Main => ("emit/parked-main", "from main"),
    };
    let title = format!("emit, {receivers} parked receivers, {place}");
    let times = if receivers == 8 { 3.0 } else { 8.0 };
    const POLLED: &str = "its receivers poll; none can be parked";
    let mut row = Row::new(format!("{id}/{receivers}"), title, Unit::Nanos).pace(Pace::Timed(64));
    if from == From::Worker {
        row = row.goal(Goal::better(times, Against::Seed));
    }
    row.with(parked_of::<Bus>(receivers, from))
        .with(parked_of::<TokioOwned>(receivers, from))
        .with(parked_of::<TokioArc>(receivers, from))
        .with(parked_of::<AsyncBroadcast>(receivers, from))
        .with(parked_of::<Kanal>(receivers, from))
        .with(Contender::absent(Disruptor::NAME, Disruptor::ROLE, POLLED))
        .with(parked_of::<Seqlock>(receivers, from))
}

fn parked_of<F: AsyncFan>(receivers: usize, from: From) -> Contender {
    Contender::new(F::NAME, F::ROLE, F::SETTINGS, move |_| {
        let runtime = super::runtime(from != From::OneThread)?;
        Ok(move |iterations| {
            let emitter = emit_to_parked::<F>(receivers, iterations);
            let spent = runtime.block_on(async {
                match from {
                    From::Main => Ok(emitter.await),
                    From::OneThread | From::Worker => tokio::spawn(emitter).await,
                }
            })?;
            Ok(Measurement::of(spent.as_nanos() as f64 / iterations as f64))
        })
    })
}

async fn emit_to_parked<F: AsyncFan>(count: usize, iterations: u64) -> Duration {
    let mut crowd = Crowd::<F>::open(count);
    let mut spent = Duration::ZERO;
    for _ in 0..iterations {
        crowd.wait_until_parked().await;
        let mut event = vec![chunk()];
        let start = Instant::now();
        emit_all::<F>(&mut crowd.sender, &mut event);
        spent += start.elapsed();
    }
    spent
}

/// Emits to so many that wait, from the only worker of a runtime, for whoever counts instructions; how
/// many events that were.
pub(super) fn to_parked<F: AsyncFan>(receivers: usize, iterations: u64) -> Result<u64> {
    let emits = iterations * 16;
    let runtime = Builder::new_multi_thread().worker_threads(1).build()?;
    runtime.block_on(async { tokio::spawn(emit_to_parked::<F>(receivers, emits)).await })?;
    Ok(emits)
}

/// A sender, and receivers in tasks of their own.
struct Crowd<F: Fan> {
    sender: F::Sender,
    count: u64,
    /// How often a receiver has begun to wait.
    waits: Arc<AtomicU64>,
    sent: u64,
}

impl<F: AsyncFan> Crowd<F> {
    fn open(count: usize) -> Self {
        let (sender, receivers) = F::open(count);
        let waits = Arc::new(AtomicU64::new(0));
        for mut receiver in receivers {
            let waits = Arc::clone(&waits);
            tokio::spawn(async move {
                loop {
                    let next = F::recv(&mut receiver);
                    if counted(next, &waits).await == Got::Closed {
                        break;
                    }
                }
            });
        }
        Self {
            sender,
            count: count as u64,
            waits,
            sent: 0,
        }
    }

    /// Until every receiver has got all that was sent, one by one, and waits for the next.
    async fn wait_until_parked(&mut self) {
        self.sent += 1;
        while self.waits.load(Ordering::Acquire) < self.sent * self.count {
            tokio::task::yield_now().await;
        }
        // The last one has said that it waits, and its task is about to.
        for _ in 0..4 {
            tokio::task::yield_now().await;
        }
    }
}

/// The same future, which counts once if it has to wait.
async fn counted<T>(future: impl Future<Output = T>, waits: &AtomicU64) -> T {
    let mut future = pin!(future);
    let mut waited = false;
    poll_fn(|cx| {
        let polled = future.as_mut().poll(cx);
        if polled.is_pending() && !std::mem::replace(&mut waited, true) {
            waits.fetch_add(1, Ordering::Release);
        }
        polled
    })
    .await
}
