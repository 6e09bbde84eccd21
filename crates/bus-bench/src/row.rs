//! What is measured: a row, and those who run in it.

mod goal;

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::Result;
use serde::Serialize;

pub(crate) use goal::{Against, Goal};

/// How much is done. Titles and counts depend on it, verdicts too: a smoke run has none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Effort {
    /// Does it run at all? Tiny counts, one round.
    Smoke,
    /// All ordinary rows in under two minutes.
    Quick,
    /// What `docs/benchmarks.md` is made of.
    Whole,
}

/// When a row runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Class {
    /// Always.
    Ordinary,
    /// Not with `--quick`: tens of seconds.
    Slow,
    /// Only with `--full`, or asked for by name: minutes, gigabytes.
    Long,
}

/// What a figure counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Unit {
    /// Nanoseconds.
    Nanos,
    /// Events per second.
    PerSecond,
    /// Bytes.
    Bytes,
    /// Bytes written per byte of events.
    Amplification,
    /// Instructions per operation.
    Instructions,
}

impl Unit {
    pub(crate) const fn more_is_better(self) -> bool {
        matches!(self, Self::PerSecond)
    }

    /// How many times better `subject` is than `other`.
    pub(crate) fn advantage(self, subject: f64, other: f64) -> f64 {
        if self.more_is_better() {
            subject / other
        } else {
            other / subject
        }
    }
}

/// In which column of the table a contender stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Role {
    /// What the goals are about: the first one of a row.
    Ours,
    /// The plain way.
    Seed,
    /// A published crate that promises as much.
    Peer,
    /// What the machine allows.
    Limit,
    /// Another way to use ours: no goal is about it, but where it loses is told too.
    OursToo,
    /// Shown for comparison: one who promises less, or nothing that one could choose.
    Beside,
}

/// What one run gave.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Measurement {
    pub(crate) value: f64,
    /// Further figures, such as a p99, each with its unit in its name.
    pub(crate) notes: BTreeMap<&'static str, f64>,
}

impl Measurement {
    pub(crate) fn of(value: f64) -> Self {
        Self {
            value,
            notes: BTreeMap::new(),
        }
    }

    pub(crate) fn note(mut self, name: &'static str, value: f64) -> Self {
        self.notes.insert(name, value);
        self
    }
}

/// A contender that is set up: its runs are timed.
pub(crate) trait Trial {
    /// Does it `iterations` times, at least once, and says how it went.
    fn run(&mut self, iterations: u64) -> Result<Measurement>;
}

impl<F: FnMut(u64) -> Result<Measurement>> Trial for F {
    fn run(&mut self, iterations: u64) -> Result<Measurement> {
        self(iterations)
    }
}

/// Where a contender may write, and how much is asked of it.
pub(crate) struct Place {
    pub(crate) dir: PathBuf,
    pub(crate) effort: Effort,
}

type Setup = Box<dyn Fn(&Place) -> Result<Box<dyn Trial>>>;

/// One way of doing what a row measures.
pub(crate) struct Contender {
    pub(crate) name: String,
    pub(crate) role: Role,
    /// How it is configured, in a few words.
    pub(crate) settings: String,
    pub(crate) entry: Entry,
}

pub(crate) enum Entry {
    /// Called once per row, in an empty folder; not timed.
    Runs(Setup),
    /// It can't run, and why. It stands in the table all the same.
    Absent(String),
}

impl Contender {
    pub(crate) fn new<T: Trial + 'static>(
        name: impl Into<String>,
        role: Role,
        settings: impl Into<String>,
        setup: impl Fn(&Place) -> Result<T> + 'static,
    ) -> Self {
        Self {
            name: name.into(),
            role,
            settings: settings.into(),
            entry: Entry::Runs(Box::new(move |place| Ok(Box::new(setup(place)?)))),
        }
    }

    pub(crate) fn absent(name: impl Into<String>, role: Role, why: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            role,
            settings: String::new(),
            entry: Entry::Absent(why.into()),
        }
    }
}

/// How many iterations a run has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pace {
    /// As many as fit into a run's time; at least, and in a smoke run just, this many.
    Timed(u64),
    /// This many, however long they take.
    Fixed(u64),
}

/// One question to the machine.
pub(crate) struct Row {
    /// Unique, with slashes: what `--only` looks at.
    pub(crate) id: String,
    pub(crate) title: String,
    pub(crate) unit: Unit,
    pub(crate) class: Class,
    pub(crate) pace: Pace,
    /// Rounds, if not as many as the effort says.
    pub(crate) rounds: Option<usize>,
    /// No verdict if (max − min) / median of one whom the goal is about exceeds it.
    pub(crate) spread_limit: f64,
    /// Whether what is written by one must be out of the way before the next one runs.
    pub(crate) on_disk: bool,
    pub(crate) goals: Vec<Goal>,
    pub(crate) contenders: Vec<Contender>,
}

/// In memory: a quarter, as perf figures below 1.3× are noise on a small machine.
const SPREAD_IN_MEMORY: f64 = 0.30;
/// A disk's flushes vary more than a processor's cycles.
const SPREAD_ON_DISK: f64 = 0.60;

impl Row {
    /// A row of figures in memory.
    pub(crate) fn new(id: impl Into<String>, title: impl Into<String>, unit: Unit) -> Self {
        Self {
            id: id.into(),
            title: title.into(),
            unit,
            class: Class::Ordinary,
            pace: Pace::Timed(1),
            rounds: None,
            spread_limit: SPREAD_IN_MEMORY,
            on_disk: false,
            goals: Vec::new(),
            contenders: Vec::new(),
        }
    }

    /// A row whose contenders write to the disk.
    pub(crate) fn on_disk(mut self) -> Self {
        self.on_disk = true;
        self.spread_limit = SPREAD_ON_DISK;
        self
    }

    pub(crate) fn class(mut self, class: Class) -> Self {
        self.class = class;
        self
    }

    pub(crate) fn pace(mut self, pace: Pace) -> Self {
        self.pace = pace;
        self
    }

    pub(crate) fn rounds(mut self, rounds: usize) -> Self {
        self.rounds = Some(rounds);
        self
    }

    pub(crate) fn goal(mut self, goal: Goal) -> Self {
        self.goals.push(goal);
        self
    }

    pub(crate) fn with(mut self, contender: Contender) -> Self {
        self.contenders.push(contender);
        self
    }
}

/// Rows that are told about together.
pub(crate) struct Family {
    /// The first part of its rows' ids.
    pub(crate) id: &'static str,
    pub(crate) title: &'static str,
    /// What is done, and what the figures mean; in Markdown.
    pub(crate) method: &'static str,
    pub(crate) rows: Vec<Row>,
}
