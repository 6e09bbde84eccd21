//! What a receiver that never reads costs the others.

use std::time::{Duration, Instant};

use anyhow::Result;
use bus_core::SessionEvent;

use crate::events::chunk;
use crate::peers::fan::{
    AsyncBroadcast, Bus, CAPACITY, Disruptor, Fan, Got, Kanal, Seqlock, TokioArc, TokioOwned,
};
use crate::row::{Contender, Effort, Family, Measurement, Pace, Role, Row, Unit};

const BURST: u64 = 128;
const OURS_FREE: &str = "bus, nobody stuck";

pub(crate) fn family(_effort: Effort) -> Family {
    Family {
        id: "stuck",
        title: "A receiver that never reads",
        method: "One thread emits bursts of 128 chunks and drains one receiver between them; a second \
                 receiver is never read. Timed is the emitting alone, once the ring has gone round. The \
                 goal lies below what clocks tell apart here: the row of the same name by instruction \
                 count decides.",
        rows: vec![
            Row::new("stuck/emit", "emit with one receiver stuck", Unit::Nanos)
                .pace(Pace::Timed(BURST))
                .with(of::<Bus>(true, "bus, one stuck", Role::Ours))
                .with(of::<Bus>(false, OURS_FREE, Role::Beside))
                .with(of::<TokioOwned>(true, "tokio owned, one stuck", Role::Seed))
                .with(of::<TokioOwned>(
                    false,
                    "tokio owned, nobody stuck",
                    Role::Beside,
                ))
                .with(of::<TokioArc>(true, "tokio Arc, one stuck", Role::Peer))
                .with(of::<TokioArc>(
                    false,
                    "tokio Arc, nobody stuck",
                    Role::Beside,
                ))
                .with(of::<AsyncBroadcast>(
                    true,
                    "async-broadcast, one stuck",
                    Role::Peer,
                ))
                .with(of::<AsyncBroadcast>(
                    false,
                    "async-broadcast, nobody stuck",
                    Role::Beside,
                ))
                .with(of::<Kanal>(true, "kanal, one stuck", Role::Peer))
                .with(of::<Kanal>(false, "kanal, nobody stuck", Role::Beside))
                .with(Contender::absent(
                    Disruptor::NAME,
                    Disruptor::ROLE,
                    "a receiver that never reads stops the producer",
                ))
                .with(of::<Seqlock>(true, "seqlock copy, one stuck", Role::Limit)),
        ],
    }
}

fn of<F: Fan>(stuck: bool, name: &'static str, role: Role) -> Contender {
    Contender::new(name, role, F::SETTINGS, move |_| {
        let mut channel = Channel::<F>::open(1, stuck);
        Ok(move |iterations: u64| {
            let mut spent = Duration::ZERO;
            let bursts = iterations.div_ceil(BURST);
            for _ in 0..bursts {
                spent += channel.burst();
            }
            Ok(Measurement::of(
                spent.as_nanos() as f64 / (bursts * BURST) as f64,
            ))
        })
    })
}

/// A sender, receivers that read, and perhaps one that does not.
pub(super) struct Channel<F: Fan> {
    sender: F::Sender,
    read: Vec<F::Receiver>,
    _stuck: Vec<F::Receiver>,
}

impl<F: Fan> Channel<F> {
    /// With the ring gone round once: what is stuck is as far behind as it can be.
    pub(super) fn open(reading: usize, stuck: bool) -> Self {
        let (sender, mut read) = F::open(reading + usize::from(stuck));
        let mut channel = Self {
            sender,
            _stuck: read.split_off(reading),
            read,
        };
        for _ in 0..2 * CAPACITY as u64 / BURST {
            channel.burst();
        }
        channel
    }

    /// The time that 128 emits take.
    pub(super) fn burst(&mut self) -> Duration {
        let mut events = Vec::with_capacity(BURST as usize);
        events.resize_with(BURST as usize, chunk);
        let start = Instant::now();
        emit_all::<F>(&mut self.sender, &mut events);
        let took = start.elapsed();
        for receiver in &mut self.read {
            while let Got::Events(_) | Got::Lost(_) = F::try_recv(receiver) {}
        }
        took
    }
}

/// By itself: who counts instructions finds it by its name.
#[inline(never)]
pub(super) fn emit_all<F: Fan>(sender: &mut F::Sender, events: &mut Vec<SessionEvent>) {
    for event in events.drain(..) {
        F::send(sender, event);
    }
}

/// `bursts` bursts to so many that read, for whoever counts instructions.
pub(super) fn bursts<F: Fan>(reading: usize, stuck: bool, bursts: u64) -> Result<u64> {
    let mut channel = Channel::<F>::open(reading, stuck);
    for _ in 0..bursts {
        channel.burst();
    }
    Ok(bursts * BURST)
}
