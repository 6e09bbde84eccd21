//! Instructions per operation: what decides where clocks can't.

use std::process::{Command, Stdio};
use std::sync::Arc;

use anyhow::{Context, Result, bail, ensure};
use bus_core::AuditSink;
use bus_log::{InMemorySessionLog, SessionAuditSink};

use super::emit::to_parked;
use super::replay;
use super::stuck::bursts;
use crate::child::MARK;
use crate::peers::fan::{AsyncBroadcast, Bus, Kanal, TokioArc, TokioOwned};
use crate::peers::store::key;
use crate::row::{
    Against, Class, Contender, Effort, Family, Goal, Measurement, Pace, Role, Row, Unit,
};

const FREE: &str = "bus, nobody stuck";

pub(crate) fn family(effort: Effort) -> Family {
    let iterations = if effort == Effort::Smoke { 1 } else { 40 };
    let row = |id: &'static str, title: &'static str| {
        Row::new(id, title, Unit::Instructions)
            .class(Class::Slow)
            .pace(Pace::Fixed(iterations))
            .rounds(1)
    };
    Family {
        id: "instructions",
        title: "By instruction count",
        method: "`valgrind --tool=callgrind` over two runs of different length; the difference is divided \
                 by the operations between them. All threads count; in rows that are called *counted*, only the \
                 calls of emit, which one thread makes. The same figure comes out on a busy machine, but it \
                 knows nothing of caches, or of waiting.",
        rows: vec![
            row(
                "instructions/emit",
                "emit a chunk and receive it, 1 receiver",
            )
            .goal(Goal::cost(1.3, Against::Named("tokio Arc")))
            .with(counted("bus", Role::Ours, "emit-bus"))
            .with(counted("tokio owned", Role::Seed, "emit-tokio-owned"))
            .with(counted("tokio Arc", Role::Peer, "emit-tokio-arc"))
            .with(counted(
                "async-broadcast",
                Role::Peer,
                "emit-async-broadcast",
            ))
            .with(counted("kanal", Role::Peer, "emit-kanal")),
            // Goals that clocks can't judge: also in a quick run.
            row(
                "instructions/stuck",
                "emit with one receiver stuck, counted",
            )
            .class(Class::Ordinary)
            .goal(Goal::cost(1.1, Against::Named(FREE)))
            .with(emits("bus, one stuck", Role::Ours, "stuck-bus"))
            .with(emits(FREE, Role::Beside, "emit-bus"))
            .with(emits(
                "tokio owned, one stuck",
                Role::Seed,
                "stuck-tokio-owned",
            ))
            .with(emits("tokio Arc, one stuck", Role::Peer, "stuck-tokio-arc")),
            row(
                "instructions/hot",
                "emit, 8 receivers that keep up, counted",
            )
            .class(Class::Ordinary)
            .goal(Goal::cost(1.3, Against::Named("tokio Arc")))
            .with(emits("bus", Role::Ours, "hot-bus"))
            .with(emits("tokio owned", Role::Seed, "hot-tokio-owned"))
            .with(emits("tokio Arc", Role::Peer, "hot-tokio-arc")),
            row(
                "instructions/parked",
                "emit, 64 parked receivers, from a worker, counted",
            )
            .class(Class::Ordinary)
            .goal(Goal::better(8.0, Against::Seed))
            .with(emits("bus", Role::Ours, "parked-bus"))
            .with(emits("tokio owned", Role::Seed, "parked-tokio-owned"))
            .with(emits("tokio Arc", Role::Peer, "parked-tokio-arc")),
            row(
                "instructions/record",
                "record a memory recall, written to a log in memory",
            )
            .with(counted("SessionAuditSink", Role::Ours, "record-bus"))
            .with(counted("build only", Role::Limit, "record-build")),
            row("instructions/replay", "replay, typed, per event of the mix")
                .with(counted("bus-log-file", Role::Ours, "replay-bus"))
                .with(counted(replay::SEED, Role::Seed, "replay-plain")),
        ],
    }
}

/// What of a micro row is counted.
#[derive(Clone, Copy)]
enum Part {
    All,
    /// The calls of `emit` alone.
    Emits,
}

fn counted(name: &'static str, role: Role, micro: &'static str) -> Contender {
    contender(name, role, micro, Part::All)
}

fn emits(name: &'static str, role: Role, micro: &'static str) -> Contender {
    contender(name, role, micro, Part::Emits)
}

fn contender(name: &'static str, role: Role, micro: &'static str, part: Part) -> Contender {
    if !answers() {
        return Contender::absent(name, role, "valgrind is not installed");
    }
    Contender::new(name, role, "", move |_| {
        Ok(move |iterations: u64| {
            let (few, base) = emulated(micro, part, iterations)?;
            let (many, more) = emulated(micro, part, iterations * 4)?;
            ensure!(many > few, "{micro} does nothing");
            ensure!(more > base, "nothing of {micro} was counted");
            Ok(Measurement::of((more - base) as f64 / (many - few) as f64))
        })
    })
}

fn answers() -> bool {
    let quiet = Command::new("valgrind")
        .arg("--version")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    quiet.is_ok_and(|status| status.success())
}

/// Operations and instructions of a run under the emulator.
fn emulated(micro: &str, part: Part, iterations: u64) -> Result<(u64, u64)> {
    let only = match part {
        Part::All => None,
        Part::Emits => Some("--toggle-collect=*emit_all*"),
    };
    let out = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .args(only)
        .arg(std::env::current_exe()?)
        .args([MARK, "micro", micro, &iterations.to_string()])
        .stdin(Stdio::null())
        .output()?;
    let said = String::from_utf8_lossy(&out.stderr);
    ensure!(out.status.success(), "valgrind failed: {}", said.trim());
    let operations = String::from_utf8_lossy(&out.stdout).trim().parse()?;
    Ok((operations, collected(&said)?))
}

/// `==1== Collected : 123456`
fn collected(said: &str) -> Result<u64> {
    let line = said
        .lines()
        .find_map(|line| line.split_once("Collected : "));
    let (_, count) = line.context("callgrind collected nothing")?;
    count.trim().parse().context("callgrind's count")
}

/// Does a micro row, in a process that somebody counts; how many operations that were.
pub(crate) fn micro(name: &str, iterations: u64) -> Result<u64> {
    match name {
        "emit-bus" => bursts::<Bus>(1, false, iterations),
        "emit-tokio-owned" => bursts::<TokioOwned>(1, false, iterations),
        "emit-tokio-arc" => bursts::<TokioArc>(1, false, iterations),
        "emit-async-broadcast" => bursts::<AsyncBroadcast>(1, false, iterations),
        "emit-kanal" => bursts::<Kanal>(1, false, iterations),
        "stuck-bus" => bursts::<Bus>(1, true, iterations),
        "stuck-tokio-owned" => bursts::<TokioOwned>(1, true, iterations),
        "stuck-tokio-arc" => bursts::<TokioArc>(1, true, iterations),
        "hot-bus" => bursts::<Bus>(8, false, iterations),
        "hot-tokio-owned" => bursts::<TokioOwned>(8, false, iterations),
        "hot-tokio-arc" => bursts::<TokioArc>(8, false, iterations),
        "parked-bus" => to_parked::<Bus>(64, iterations),
        "parked-tokio-owned" => to_parked::<TokioOwned>(64, iterations),
        "parked-tokio-arc" => to_parked::<TokioArc>(64, iterations),
        "record-bus" => {
            let sink = SessionAuditSink::new(Arc::new(InMemorySessionLog::new()), key(0));
            let records = record(&sink, iterations);
            let stats = pollster::block_on(sink.close());
            ensure!(stats.dropped == 0, "{} records were dropped", stats.dropped);
            Ok(records)
        }
        "record-build" => Ok(record(&Forgets, iterations)),
        "replay-bus" => replay::read_by_log(iterations),
        "replay-plain" => replay::read_plainly(iterations),
        other => bail!("no such micro row: {other}"),
    }
}

fn record(sink: &dyn AuditSink, iterations: u64) -> u64 {
    let records = iterations * 128;
    for number in 0..records {
        sink.record_memory_recall("semantic", "projects/bus/notes", number as usize);
    }
    records
}

/// Makes each event, and forgets it.
struct Forgets;

impl AuditSink for Forgets {
    fn record_sub_agent_invoked(&self, _: &str, _: &str) {}
    fn record_agent_handoff(&self, _: Option<&str>, _: &str) {}
    fn record_resumed(&self, _: &str) {}
    fn record_memory_recall(&self, tier: &str, namespace_key: &str, hits: usize) {
        std::hint::black_box(bus_core::GraphEvent::memory_recall(
            tier,
            namespace_key,
            hits,
        ));
    }
    fn record_usage_limit_exceeded(&self, _: &bus_core::UsageLimitBreach) {}
    fn record_context_compacted(&self, _: usize, _: usize) {}
}

#[cfg(test)]
mod tests;
