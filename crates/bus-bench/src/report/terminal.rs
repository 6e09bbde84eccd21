//! What is printed while it runs.

use super::Report;
use super::figures::{figure, note, ratio};
use super::markdown::{counts, found};
use crate::machine::Facts;
use crate::runner::{How, Outcome, Ran};
use crate::verdict::{Judged, Verdict};

pub(crate) fn facts(facts: &Facts) {
    let Facts {
        cpu,
        cores,
        kernel,
        disk,
        rustc,
        commit,
        load,
        ..
    } = facts;
    println!("{cpu}, {cores} cores, Linux {kernel}, {rustc}, commit {commit}, load {load}");
    println!(
        "{} on {}: {:.0} syncs/s; does a sync reach the device? {}",
        disk.file_system, disk.device, disk.syncs_per_second, disk.sync_reach
    );
}

pub(crate) fn family(title: &str) {
    println!("\n== {title}");
}

pub(crate) fn outcome(outcome: &Outcome) {
    println!("\n{}  [{}]", outcome.title, outcome.id);
    let width = outcome
        .contenders
        .iter()
        .map(|ran| ran.name.chars().count())
        .max()
        .unwrap_or(0);
    for ran in &outcome.contenders {
        println!("  {:width$}  {}", ran.name, told(outcome, ran));
    }
    for goal in &outcome.goals {
        println!("  -> {}: {}", goal.goal, verdict(goal));
    }
    if outcome.attempts > 1 {
        println!("     run {} times", outcome.attempts);
    }
}

fn told(outcome: &Outcome, ran: &Ran) -> String {
    match &ran.how {
        How::Absent { why } => format!("– {why}"),
        How::Failed { why } => format!("failed: {why}"),
        How::Measured {
            median,
            min,
            max,
            notes,
            ..
        } => {
            let unit = outcome.unit;
            let mut line = format!(
                "{:>10}  ({} – {})",
                figure(unit, *median),
                figure(unit, *min),
                figure(unit, *max)
            );
            for (name, value) in notes {
                line.push_str("  ");
                line.push_str(&note(name, *value));
            }
            line
        }
    }
}

fn verdict(goal: &Judged) -> String {
    let found = found(goal);
    let range = goal.range.map_or_else(String::new, |(least, most)| {
        format!(" ({} – {})", ratio(least), ratio(most))
    });
    match &goal.verdict {
        Verdict::Met => format!("{found}{range}, met"),
        Verdict::Missed => format!("{found}{range}, MISSED"),
        Verdict::Noisy(why) => format!("{found}{range}, no verdict: {why}"),
        Verdict::Open(why) => format!("no verdict: {why}"),
    }
}

pub(crate) fn summary(report: &Report) {
    println!("\n{}", counts(report));
}
