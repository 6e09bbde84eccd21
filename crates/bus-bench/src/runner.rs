//! Runs a row: everybody in turn, round after round, again if the machine was noisy.

mod load;

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use serde::Serialize;

use crate::row::{
    Class, Contender, Effort, Entry, Measurement, Pace, Place, Role, Row, Trial, Unit,
};
use crate::stats::{Summary, median};
use crate::verdict::{Conditions, Judged, Rounds, Verdict, judge};
use load::Load;
pub(crate) use load::count_in;

/// What a row gave.
#[derive(Debug, Serialize)]
pub(crate) struct Outcome {
    pub(crate) id: String,
    pub(crate) title: String,
    pub(crate) unit: Unit,
    pub(crate) contenders: Vec<Ran>,
    pub(crate) goals: Vec<Judged>,
    /// How often all rounds were run.
    pub(crate) attempts: usize,
    /// The share of the machine's processor time that others used meanwhile.
    pub(crate) others: Option<f64>,
}

/// A contender, and how it went.
#[derive(Debug, Serialize)]
pub(crate) struct Ran {
    pub(crate) name: String,
    pub(crate) role: Role,
    pub(crate) settings: String,
    #[serde(flatten)]
    pub(crate) how: How,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "snake_case", tag = "outcome")]
pub(crate) enum How {
    Measured {
        median: f64,
        min: f64,
        max: f64,
        /// In the order in which they ran.
        rounds: Vec<f64>,
        /// Medians.
        notes: BTreeMap<&'static str, f64>,
    },
    Absent {
        why: String,
    },
    Failed {
        why: String,
    },
}

/// How long things may take.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    pub(crate) effort: Effort,
    pub(crate) rounds: usize,
    /// What a timed run should take.
    pub(crate) run: Duration,
    /// How often a row is run again because no verdict could be given.
    pub(crate) retries: usize,
}

impl Plan {
    pub(crate) const fn of(effort: Effort) -> Self {
        let (rounds, millis, retries) = match effort {
            Effort::Smoke => (1, 0, 0),
            Effort::Quick => (3, 40, 1),
            Effort::Whole => (5, 400, 2),
        };
        Self {
            effort,
            rounds,
            run: Duration::from_millis(millis),
            retries,
        }
    }
}

/// A contender on its way through the rounds.
struct Running<'a> {
    contender: &'a Contender,
    state: State,
}

enum State {
    Ready {
        trial: Box<dyn Trial>,
        iterations: u64,
        rounds: Vec<Measurement>,
    },
    Absent(String),
    Failed(String),
}

/// Runs the row in folders of its own below `dir`.
pub(crate) fn run(row: &Row, plan: Plan, dir: &Path) -> Result<Outcome> {
    let mut field = Vec::with_capacity(row.contenders.len());
    for (number, contender) in row.contenders.iter().enumerate() {
        let place = Place {
            dir: dir.join(number.to_string()),
            effort: plan.effort,
        };
        std::fs::create_dir_all(&place.dir)?;
        let state = match &contender.entry {
            Entry::Absent(why) => State::Absent(why.clone()),
            Entry::Runs(setup) => match ready(row, plan, setup(&place)) {
                Ok(state) => state,
                Err(error) => State::Failed(format!("{error:#}")),
            },
        };
        field.push(Running { contender, state });
    }
    let mut attempts = 0;
    loop {
        attempts += 1;
        let before = Load::now();
        all_rounds(row, plan, dir, &mut field)?;
        let others = before.and_then(Load::others_since);
        let goals = match plan.effort {
            Effort::Smoke => Vec::new(),
            _ => judge_all(row, &field, others),
        };
        let noisy = goals
            .iter()
            .any(|goal| matches!(goal.verdict, Verdict::Noisy(_)));
        if !noisy || attempts > plan.retries || row.class != Class::Ordinary {
            return Ok(Outcome {
                id: row.id.clone(),
                title: row.title.clone(),
                unit: row.unit,
                contenders: field.into_iter().map(Running::ran).collect(),
                goals,
                attempts,
                others,
            });
        }
    }
}

/// Warms up, and finds out how many iterations fit into a run.
fn ready(row: &Row, plan: Plan, trial: Result<Box<dyn Trial>>) -> Result<State> {
    let mut trial = trial.context("setup")?;
    let iterations = match row.pace {
        Pace::Fixed(iterations) => iterations,
        Pace::Timed(least) if plan.effort == Effort::Smoke => least,
        Pace::Timed(least) => {
            let mut iterations = least;
            loop {
                let start = Instant::now();
                trial.run(iterations).context("warm-up")?;
                let took = start.elapsed();
                if took * 4 >= plan.run {
                    let fits = plan.run.as_secs_f64() / took.as_secs_f64();
                    break ((iterations as f64 * fits) as u64).max(least);
                }
                iterations *= 4;
            }
        }
    };
    Ok(State::Ready {
        trial,
        iterations,
        rounds: Vec::new(),
    })
}

/// A B C, A B C: whatever changes in the machine, changes for all.
fn all_rounds(row: &Row, plan: Plan, dir: &Path, field: &mut [Running<'_>]) -> Result<()> {
    let rounds = match plan.effort {
        Effort::Smoke => 1,
        _ => row.rounds.unwrap_or(plan.rounds),
    };
    for running in &mut *field {
        if let State::Ready { rounds, .. } = &mut running.state {
            rounds.clear();
        }
    }
    for _ in 0..rounds {
        for running in &mut *field {
            if row.on_disk && plan.effort != Effort::Smoke {
                settle(dir)?;
            }
            running.round();
        }
    }
    Ok(())
}

/// Writes out what earlier runs left in the page cache, so that nobody's flush pays for another's.
fn settle(dir: &Path) -> Result<()> {
    rustix::fs::syncfs(std::fs::File::open(dir)?).context("syncfs")
}

fn judge_all(row: &Row, field: &[Running<'_>], others: Option<f64>) -> Vec<Judged> {
    let values: Vec<Vec<f64>> = field.iter().map(Running::values).collect();
    let rounds: Vec<Rounds<'_>> = field
        .iter()
        .zip(&values)
        .filter(|(_, values)| !values.is_empty())
        .map(|(running, values)| Rounds {
            name: &running.contender.name,
            role: running.contender.role,
            values,
        })
        .collect();
    let conditions = Conditions {
        unit: row.unit,
        spread_limit: row.spread_limit,
        others,
    };
    let ours = field
        .iter()
        .find(|running| running.contender.role == Role::Ours);
    let note = |name: &str| ours.and_then(|running| running.notes().get(name).copied());
    row.goals
        .iter()
        .map(|goal| judge(goal, &rounds, note, conditions))
        .collect()
}

impl Running<'_> {
    fn round(&mut self) {
        if let State::Ready {
            trial,
            iterations,
            rounds,
        } = &mut self.state
        {
            match trial.run(*iterations) {
                Ok(measurement) => rounds.push(measurement),
                Err(error) => self.state = State::Failed(format!("{error:#}")),
            }
        }
    }

    fn values(&self) -> Vec<f64> {
        match &self.state {
            State::Ready { rounds, .. } => rounds.iter().map(|round| round.value).collect(),
            State::Absent(_) | State::Failed(_) => Vec::new(),
        }
    }

    fn notes(&self) -> BTreeMap<&'static str, f64> {
        let State::Ready { rounds, .. } = &self.state else {
            return BTreeMap::new();
        };
        let mut values: BTreeMap<&'static str, Vec<f64>> = BTreeMap::new();
        for (name, value) in rounds.iter().flat_map(|round| &round.notes) {
            values.entry(name).or_default().push(*value);
        }
        values
            .into_iter()
            .filter_map(|(name, values)| Some((name, median(&values)?)))
            .collect()
    }

    fn ran(self) -> Ran {
        let rounds = self.values();
        let notes = self.notes();
        let how = match (self.state, Summary::of(&rounds)) {
            (State::Absent(why), _) => How::Absent { why },
            (State::Failed(why), _) => How::Failed { why },
            (State::Ready { .. }, Some(summary)) => How::Measured {
                median: summary.median,
                min: summary.min,
                max: summary.max,
                rounds,
                notes,
            },
            (State::Ready { .. }, None) => How::Failed {
                why: "it gave no figure".into(),
            },
        };
        Ran {
            name: self.contender.name.clone(),
            role: self.contender.role,
            settings: self.contender.settings.clone(),
            how,
        }
    }
}

#[cfg(test)]
mod tests;
