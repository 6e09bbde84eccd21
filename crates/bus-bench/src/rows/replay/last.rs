//! The end of a long session, by one who has just come.

use std::fs;
use std::hint::black_box;
use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use bus_log::{Entry, Expect, SessionLog};
use bus_log_file::FileSessionLog;

use super::{BATCH, Line, SEED, parse_all};
use crate::events::usage;
use crate::peers::store::key;
use crate::row::{Against, Contender, Effort, Goal, Measurement, Pace, Role, Row, Unit};

const LAST: u64 = 1000;

pub(super) fn row(effort: Effort) -> Row {
    let events = if effort == Effort::Smoke {
        2000
    } else {
        1_000_000
    };
    Row::new(
        "replay/last1000",
        "last 1000 of 1 M, cold handle",
        Unit::Nanos,
    )
    .pace(Pace::Timed(1))
    .goal(Goal::better(1000.0, Against::Seed))
    .goal(Goal::cost(1.5, Against::Limit))
    .with(ours(events, false))
    .with(ours(events, true))
    .with(Contender::new(
        SEED,
        Role::Seed,
        "the whole file, parsed, all but the last 1000 dropped",
        move |place| {
            let path = place.dir.join("events.jsonl");
            write_lines(&path, events)?;
            Ok(move |iterations| {
                each(iterations, || {
                    let start = Instant::now();
                    let mut all = parse_all(&path)?;
                    let last = all.split_off(all.len() - LAST as usize);
                    black_box(&last);
                    Ok(start.elapsed())
                })
            })
        },
    ))
    .with(Contender::new(
        "parse alone",
        Role::Limit,
        "serde_json over 1000 lines in memory",
        move |_| {
            let lines: Result<Vec<String>> = (0..LAST)
                .map(|number| Ok(serde_json::to_string(&Line::new(number, usage(number)))?))
                .collect();
            let lines = lines?;
            Ok(move |iterations| {
                each(iterations, || {
                    let start = Instant::now();
                    let mut last: Vec<Line> = Vec::with_capacity(lines.len());
                    for line in &lines {
                        last.push(serde_json::from_str(line)?);
                    }
                    black_box(&last);
                    Ok(start.elapsed())
                })
            })
        },
    ))
}

fn ours(events: u64, with_open: bool) -> Contender {
    let (name, role, settings) = if with_open {
        (
            "bus-log-file, opening included",
            Role::OursToo,
            "open, bounds, load_since(last − 1000)",
        )
    } else {
        (
            "bus-log-file",
            Role::Ours,
            "bounds, load_since(last − 1000)",
        )
    };
    Contender::new(name, role, settings, move |place| {
        let dir = place.dir.clone();
        fill(&dir, events)?;
        Ok(move |iterations| each(iterations, || read_last(&dir, with_open)))
    })
}

/// Reads the last 1000 by a fresh handle.
pub(crate) fn read_last(dir: &Path, with_open: bool) -> Result<Duration> {
    let opening = Instant::now();
    let log = FileSessionLog::open(dir)?;
    let opened = Instant::now();
    let key = key(0);
    let last = pollster::block_on(log.bounds(&key))?.last;
    let events = pollster::block_on(log.load_since(&key, last.saturating_sub(LAST)))?;
    let took = if with_open {
        opening.elapsed()
    } else {
        opened.elapsed()
    };
    ensure!(
        events.len() as u64 == LAST.min(last),
        "read {} events",
        events.len()
    );
    Ok(took)
}

/// Makes a session of so many token usages, and closes the log.
pub(crate) fn fill(dir: &Path, events: u64) -> Result<()> {
    let log = FileSessionLog::open(dir)?;
    let key = key(0);
    let batch: Vec<Entry> = (0..BATCH).map(|number| usage(number).into()).collect();
    let mut written = 0;
    while written < events {
        let size = BATCH.min(events - written);
        pollster::block_on(log.append_entries(&key, Expect::Any, &batch[..size as usize]))?;
        written += size;
    }
    Ok(())
}

fn write_lines(path: &Path, events: u64) -> Result<()> {
    let mut file = std::io::BufWriter::new(fs::File::create(path)?);
    for number in 0..events {
        serde_json::to_writer(&mut file, &Line::new(number, usage(number)))?;
        file.write_all(b"\n")?;
    }
    Ok(file.flush()?)
}

fn each(iterations: u64, mut call: impl FnMut() -> Result<Duration>) -> Result<Measurement> {
    let mut spent = Duration::ZERO;
    for _ in 0..iterations {
        spent += call()?;
    }
    Ok(Measurement::of(spent.as_nanos() as f64 / iterations as f64))
}
