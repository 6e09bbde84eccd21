//! Whether a goal is met, and when that can't be said.

use serde::Serialize;

use crate::row::{Against, Goal, Role, Unit};
use crate::stats::Summary;

/// Above this share of the machine's processor time used by others, nothing is judged.
pub(crate) const OTHERS_LIMIT: f64 = 0.05;

/// A verdict needs at least this share of the rounds on its side.
pub(crate) const AGREEMENT: f64 = 0.8;

/// Where every round is on one side of the goal by this much, no spread makes it the other.
pub(crate) const CLEAR: f64 = 1.3;

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "verdict", content = "why")]
pub(crate) enum Verdict {
    Met,
    Missed,
    /// The machine was too noisy to say.
    Noisy(String),
    /// There is nothing to compare.
    Open(String),
}

/// A goal with what was found.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Judged {
    pub(crate) goal: String,
    /// What stands on the goal's left, as the goal counts it: times better, or times as dear.
    pub(crate) found: Option<f64>,
    /// The least and the most of it in one round.
    pub(crate) range: Option<(f64, f64)>,
    /// Whom we were compared to.
    pub(crate) against: Option<String>,
    #[serde(flatten)]
    pub(crate) verdict: Verdict,
}

/// A contender's rounds, as the judge sees them.
#[derive(Clone, Debug)]
pub(crate) struct Rounds<'a> {
    pub(crate) name: &'a str,
    pub(crate) role: Role,
    pub(crate) values: &'a [f64],
}

/// What a verdict depends on besides the rounds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Conditions {
    pub(crate) unit: Unit,
    pub(crate) spread_limit: f64,
    /// The share of the machine that others used meanwhile, where it is known.
    pub(crate) others: Option<f64>,
}

/// Judges one goal. `note` looks up the median of a note of ours.
pub(crate) fn judge(
    goal: &Goal,
    all: &[Rounds<'_>],
    note: impl Fn(&str) -> Option<f64>,
    conditions: Conditions,
) -> Judged {
    let mut judged = Judged {
        goal: goal.to_string(),
        found: None,
        range: None,
        against: None,
        verdict: Verdict::Open("not measured".into()),
    };
    let (times, other, about, cost) = match *goal {
        Goal::NoteAtMost { note: name, most } => {
            judged.found = note(name);
            if let Some(found) = judged.found {
                judged.verdict = met(found <= most);
            }
            return judged;
        }
        Goal::Better {
            times,
            than,
            subject,
        } => (times, than, subject, false),
        Goal::Cost { times, of, subject } => (times, of, subject, true),
    };
    let Some(subject) = subject(all, about) else {
        judged.verdict = Verdict::Open("ours was not measured".into());
        return judged;
    };
    let Some(other) = reference(all, other, conditions.unit) else {
        judged.verdict = Verdict::Open(format!("{other} was not measured"));
        return judged;
    };
    judged.against = Some(other.name.to_owned());
    let (Some(ours), Some(theirs)) = (Summary::of(subject.values), Summary::of(other.values))
    else {
        return judged;
    };
    let as_goal = |ours: f64, theirs: f64| {
        let advantage = conditions.unit.advantage(ours, theirs);
        if cost { 1.0 / advantage } else { advantage }
    };
    let holds = |found: f64| if cost { found <= times } else { found >= times };
    // Rounds are interleaved: the same round of both saw the same machine.
    let pairs = subject.values.iter().zip(other.values);
    let found: Vec<f64> = pairs
        .map(|(ours, theirs)| as_goal(*ours, *theirs))
        .collect();
    let ratio = as_goal(ours.median, theirs.median);
    judged.found = Some(ratio);
    let summary = Summary::of(&found);
    judged.range = summary.map(|summary| (summary.min, summary.max));
    let verdict = holds(ratio);
    let share = |bar: f64| {
        let on_this_side = |found: f64| if cost { found <= bar } else { found >= bar };
        let agreeing = found
            .iter()
            .filter(|found| on_this_side(**found) == verdict);
        agreeing.count() as f64 / found.len() as f64
    };
    // A bar that is harder to pass on the verdict's side.
    let clear = if verdict == cost {
        times / CLEAR
    } else {
        times * CLEAR
    };
    // An emulator counts the same on a busy machine, and each time.
    let counted = conditions.unit == Unit::Instructions;
    judged.verdict = if let Some(noise) = busy(conditions).filter(|_| !counted) {
        Verdict::Noisy(noise)
    } else if counted || share(clear) == 1.0 {
        met(verdict)
    } else if found.len() == 1 {
        Verdict::Noisy(format!("one round, within {CLEAR}× of the goal"))
    } else if let Some(noise) = summary.and_then(|summary| uneven(summary, conditions)) {
        Verdict::Noisy(noise)
    } else if share(times) < AGREEMENT {
        let agreeing = (share(times) * found.len() as f64).round();
        Verdict::Noisy(format!("only {agreeing} of {} rounds agree", found.len()))
    } else {
        met(verdict)
    };
    judged
}

fn met(holds: bool) -> Verdict {
    if holds { Verdict::Met } else { Verdict::Missed }
}

fn busy(conditions: Conditions) -> Option<String> {
    let others = conditions.others.filter(|others| *others > OTHERS_LIMIT)?;
    Some(format!(
        "others used {:.0} % of the machine, the limit is {:.0} %",
        others * 100.0,
        OTHERS_LIMIT * 100.0
    ))
}

/// Of the rounds' ratios: what made both slower in a round is no difference between them.
fn uneven(ratios: Summary, conditions: Conditions) -> Option<String> {
    let limit = conditions.spread_limit;
    (ratios.spread() > limit).then(|| {
        format!(
            "spread of the ratio is {:.0} %, the limit is {:.0} %",
            ratios.spread() * 100.0,
            limit * 100.0
        )
    })
}

/// The contender that a goal is about.
pub(crate) fn subject<'a, 'b>(all: &'a [Rounds<'b>], name: Option<&str>) -> Option<&'a Rounds<'b>> {
    all.iter().find(|rounds| match name {
        Some(name) => rounds.name == name,
        None => rounds.role == Role::Ours,
    })
}

/// The contender to compare with.
pub(crate) fn reference<'a, 'b>(
    all: &'a [Rounds<'b>],
    against: Against,
    unit: Unit,
) -> Option<&'a Rounds<'b>> {
    let role = match against {
        Against::Named(name) => return all.iter().find(|rounds| rounds.name == name),
        Against::Seed => Role::Seed,
        Against::BestPeer => Role::Peer,
        Against::Limit => Role::Limit,
    };
    let median = |rounds: &Rounds<'_>| Summary::of(rounds.values).map(|summary| summary.median);
    all.iter()
        .filter(|rounds| rounds.role == role)
        .filter_map(|rounds| Some((median(rounds)?, rounds)))
        .max_by(|(left, _), (right, _)| unit.advantage(*left, *right).total_cmp(&1.0))
        .map(|(_, rounds)| rounds)
}

#[cfg(test)]
mod tests;
