//! What must not grow with the length of a session.

use std::time::Instant;

use bus_log::{Expect, SessionLog};
use bus_log_file::FileSessionLog;

use super::durable::batch;
use super::replay::last::{fill, read_last};
use crate::peers::store::key;
use crate::row::{
    Against, Class, Contender, Effort, Family, Goal, Measurement, Pace, Role, Row, Unit,
};

/// Sizes, and what they are called. The goals compare the last to the first.
const SIZES: [(u64, &str); 4] = [
    (10_000, "10^4 events"),
    (100_000, "10^5 events"),
    (1_000_000, "10^6 events"),
    (10_000_000, "10^7 events"),
];

pub(crate) fn family(effort: Effort) -> Family {
    let most = match effort {
        Effort::Smoke => 1,
        Effort::Quick => 3,
        Effort::Whole => 4,
    };
    let sizes = &SIZES[..most];
    // In a smoke run the names stand for a hundredth.
    let scale = if effort == Effort::Smoke { 100 } else { 1 };
    let mut last = row("flat/last1000", "last 1000 of a session, cold handle");
    let mut append = row(
        "flat/append",
        "append of 1024 events to a session, per event",
    )
    .on_disk();
    if let [(_, first), .., (_, longest)] = *sizes {
        let goal = Goal::cost(1.3, Against::Named(first)).about(longest);
        last = last.goal(goal);
        append = append.goal(goal);
    }
    for (events, name) in sizes.iter().copied() {
        // The goal names its subject; none of them is more ours than the others.
        last = last.with(reading(events / scale, name));
        append = append.with(appending(events / scale, name));
    }
    Family {
        id: "flat",
        title: "Flat in the length of a session",
        method: "One session of token usages, of 10^4 to 10^7 events; the same is done to each. Reads \
                 are by a handle that was just opened.",
        rows: vec![last, append],
    }
}

fn row(id: &'static str, title: &'static str) -> Row {
    Row::new(id, title, Unit::Nanos)
        .class(Class::Long)
        .pace(Pace::Timed(1))
        .rounds(5)
}

fn reading(events: u64, name: &'static str) -> Contender {
    Contender::new(
        name,
        Role::Ours,
        "bounds, load_since(last − 1000)",
        move |place| {
            let dir = place.dir.clone();
            fill(&dir, events)?;
            Ok(move |iterations: u64| {
                let mut nanos = 0;
                for _ in 0..iterations {
                    nanos += read_last(&dir, false)?.as_nanos();
                }
                Ok(Measurement::of(nanos as f64 / iterations as f64))
            })
        },
    )
}

fn appending(events: u64, name: &'static str) -> Contender {
    const SIZE: usize = 1024;
    Contender::new(name, Role::Ours, "append_entries of 1024", move |place| {
        fill(&place.dir, events)?;
        let log = FileSessionLog::open(&place.dir)?;
        let (key, batch) = (key(0), batch(SIZE));
        Ok(move |iterations: u64| {
            let start = Instant::now();
            for _ in 0..iterations {
                pollster::block_on(log.append_entries(&key, Expect::Any, &batch))?;
            }
            let total = iterations as f64 * SIZE as f64;
            Ok(Measurement::of(start.elapsed().as_nanos() as f64 / total))
        })
    })
}
