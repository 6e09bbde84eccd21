//! Reading what was written.

pub(super) mod last;

use std::fs;
use std::hint::black_box;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Result, anyhow, ensure};
use bus_core::{DateTime, SessionEvent, Utc};
use bus_log::{Entry, Expect, SessionLog};
use bus_log_file::FileSessionLog;
use serde::{Deserialize, Serialize};

use crate::events::mixed;
use crate::peers::store::{SqliteFull, Store, key};
use crate::row::{Against, Contender, Effort, Family, Goal, Measurement, Pace, Role, Row, Unit};

/// Events per append while a log is filled.
const BATCH: u64 = 4096;

pub(crate) fn family(effort: Effort) -> Family {
    let events = match effort {
        Effort::Smoke => 500,
        Effort::Quick => 60_000,
        Effort::Whole => 400_000,
    };
    Family {
        id: "replay",
        title: "Replay",
        method: "A session of the 80/15/5 mix, in the page cache, by a handle that was opened before. The \
                 plain way reads the file and parses every line \
                 into ordinal, time and owned event, on one thread. *Lazy* \
                 looks at ordinals and types only. *Last 1000*: of a session of 1 M token usages, by a \
                 handle that was just opened; the plain way reads the whole file.",
        rows: vec![
            typed(events),
            two_threads(events),
            lazy(events),
            last::row(effort),
        ],
    }
}

pub(super) const SEED: &str = "read, split, parse";

fn row(id: &'static str, title: &'static str, times: f64, events: u64) -> Row {
    Row::new(id, title, Unit::PerSecond)
        .pace(Pace::Timed(1))
        .goal(Goal::better(times, Against::Seed))
        .with(ours(id, events))
        .with(plain(events))
}

fn typed(events: u64) -> Row {
    row("replay/typed/1", "replay, typed, 1 thread", 1.8, events)
        .with(Contender::new(
            SqliteFull::NAME,
            Role::Peer,
            "SELECT … ORDER BY ordinal, each parsed",
            move |place| {
                let store = SqliteFull::open(&place.dir, 1)?;
                fill(events, |batch| store.append(0, batch))?;
                Ok(move |iterations| timed(iterations, events, || Ok(store.read(0)?.len() as u64)))
            },
        ))
        .with(split(events))
}

fn two_threads(events: u64) -> Row {
    row("replay/typed/2", "replay, typed, 2 threads", 3.0, events).with(split(events))
}

fn lazy(events: u64) -> Row {
    row(
        "replay/lazy",
        "replay, ordinals and types only",
        15.0,
        events,
    )
    .with(split(events))
}

fn ours(id: &'static str, events: u64) -> Contender {
    let settings = match id {
        "replay/lazy" => "reader().scan: ordinal and event_type",
        "replay/typed/2" => "load_since of two sessions at once",
        _ => "load_since",
    };
    Contender::new("bus-log-file", Role::Ours, settings, move |place| {
        let log = Arc::new(FileSessionLog::open(&place.dir)?);
        let sessions = if id == "replay/typed/2" { 2 } else { 1 };
        for session in 0..sessions {
            fill_log(&log, session, events / sessions as u64)?;
        }
        let total = events / sessions as u64 * sessions as u64;
        Ok(move |iterations| {
            timed(iterations, total, || match id {
                "replay/lazy" => look_at(&log),
                "replay/typed/2" => both(&log),
                _ => load(&log, 0),
            })
        })
    })
}

/// Fills a session of the mix, and puts all of it where readers look.
pub(super) fn fill_log(log: &FileSessionLog, session: usize, events: u64) -> Result<()> {
    fill(events, |batch| {
        pollster::block_on(log.append_entries(&key(session), Expect::Any, batch))?;
        Ok(())
    })
}

fn fill(events: u64, mut append: impl FnMut(&[Entry]) -> Result<()>) -> Result<()> {
    let mut written = 0;
    while written < events {
        let next = (written + BATCH).min(events);
        let batch: Vec<Entry> = (written..next).map(|number| mixed(number).into()).collect();
        append(&batch)?;
        written = next;
    }
    Ok(())
}

fn load(log: &FileSessionLog, session: usize) -> Result<u64> {
    let events = pollster::block_on(log.load_since(&key(session), 0))?;
    Ok(black_box(events).len() as u64)
}

fn both(log: &Arc<FileSessionLog>) -> Result<u64> {
    let other = {
        let log = Arc::clone(log);
        std::thread::spawn(move || load(&log, 1))
    };
    let first = load(log, 0)?;
    let second = other.join().map_err(|_| anyhow!("a reader panicked"))??;
    Ok(first + second)
}

fn look_at(log: &FileSessionLog) -> Result<u64> {
    let mut count = 0;
    log.reader().scan(&key(0), 0, |event| {
        black_box((event.ordinal(), event.event_type()?.len()));
        count += 1;
        Ok(ControlFlow::Continue(()))
    })?;
    Ok(count)
}

fn plain(events: u64) -> Contender {
    Contender::new(
        SEED,
        Role::Seed,
        "a file of JSON lines, serde_json per line",
        move |place| {
            let path = place.dir.join("events.jsonl");
            fs::write(&path, lines(events)?)?;
            Ok(move |iterations| {
                timed(iterations, events, || {
                    Ok(black_box(parse_all(&path)?).len() as u64)
                })
            })
        },
    )
}

/// A line of the plain way: with place and time, as ours has them.
#[derive(Serialize, Deserialize)]
struct Line {
    ordinal: u64,
    at: DateTime<Utc>,
    event: SessionEvent,
}

impl Line {
    fn new(number: u64, event: SessionEvent) -> Self {
        Self {
            ordinal: number + 1,
            at: Utc::now(),
            event,
        }
    }
}

fn parse_all(path: &Path) -> Result<Vec<Line>> {
    let text = fs::read_to_string(path)?;
    text.lines()
        .map(|line| Ok(serde_json::from_str(line)?))
        .collect()
}

/// Events of the mix that are read by whoever counts instructions.
const COUNTED: u64 = 2000;

/// Reads the same session `times` times by the log; how many events that were.
pub(super) fn read_by_log(times: u64) -> Result<u64> {
    let dir = tempfile::tempdir()?;
    let log = FileSessionLog::open(dir.path())?;
    fill_log(&log, 0, COUNTED)?;
    (0..times).map(|_| load(&log, 0)).sum()
}

/// The same, the plain way.
pub(super) fn read_plainly(times: u64) -> Result<u64> {
    let dir = tempfile::tempdir()?;
    let path = dir.path().join("events.jsonl");
    fs::write(&path, lines(COUNTED)?)?;
    (0..times)
        .map(|_| Ok(black_box(parse_all(&path)?).len() as u64))
        .sum()
}

/// A file of JSON lines.
fn lines(events: u64) -> Result<Vec<u8>> {
    let mut text = Vec::new();
    for number in 0..events {
        serde_json::to_writer(&mut text, &Line::new(number, mixed(number)))?;
        text.push(b'\n');
    }
    Ok(text)
}

/// The limit: finding the line breaks of a text in memory.
fn split(events: u64) -> Contender {
    Contender::new(
        "line split",
        Role::Limit,
        "memchr over the text in memory",
        move |_| {
            let text = lines(events)?;
            Ok(move |iterations| {
                timed(iterations, events, || {
                    let found = memchr::memchr_iter(b'\n', &text);
                    Ok(found.fold(0, |count, at| count + u64::from(text[at] == b'\n')))
                })
            })
        },
    )
}

/// Events per second of a call that reads them all and says how many there were.
fn timed(
    iterations: u64,
    events: u64,
    mut read: impl FnMut() -> Result<u64>,
) -> Result<Measurement> {
    let start = Instant::now();
    for _ in 0..iterations {
        let found = read()?;
        ensure!(found == events, "read {found} of {events} events");
    }
    let total = (iterations * events) as f64;
    Ok(Measurement::of(total / start.elapsed().as_secs_f64()))
}
