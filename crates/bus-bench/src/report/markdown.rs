//! `docs/benchmarks.md`.

use std::fmt::Write;

use super::figures::{figure, note, ratio};
use super::ratios::{Cell, columns, others_of_ours};
use super::{Report, Section};
use crate::machine::Facts;
use crate::row::Effort;
use crate::runner::{How, Outcome};
use crate::verdict::{AGREEMENT, CLEAR, Judged, OTHERS_LIMIT, Verdict};

/// Below this advantage of another, nobody has lost.
const LEVEL: f64 = 0.9;

pub(crate) fn page(report: &Report) -> String {
    let mut page = String::new();
    // Writing to a text does not fail.
    let _ = write(&mut page, report);
    page
}

fn write(page: &mut String, report: &Report) -> std::fmt::Result {
    writeln!(page, "# Benchmarks\n")?;
    writeln!(
        page,
        "<!-- Written by `{}`. Do not edit. -->\n",
        report.command
    )?;
    writeln!(
        page,
        "Us beside the plain way, our peers and what the machine allows, all in one run of \
         `{}`. {}\n",
        report.command,
        match report.effort {
            Effort::Quick =>
                "This was a quick run: three short rounds, without the slow rows and \
                              the long ones. Its figures show the size of things.",
            _ => "Absolute figures change from machine to machine; ratios are what counts.",
        }
    )?;
    machine(page, &report.facts)?;
    how_to_read(page, report)?;
    writeln!(page, "## Goals\n\n{}\n", counts(report))?;
    goals(page, report)?;
    losses(page, report)?;
    for section in &report.sections {
        family(page, section)?;
    }
    Ok(())
}

fn machine(page: &mut String, facts: &Facts) -> std::fmt::Result {
    writeln!(page, "## The machine\n\n| | |\n|---|---|")?;
    let memory = facts.memory_mib.map_or_else(
        || "unknown".into(),
        |mib| format!("{:.0} GiB", mib as f64 / 1024.0),
    );
    let disk = &facts.disk;
    let line = |page: &mut String, name: &str, value: &str| writeln!(page, "| {name} | {value} |");
    line(
        page,
        "processor",
        &format!("{}, {} cores", facts.cpu, facts.cores),
    )?;
    line(page, "memory", &memory)?;
    line(page, "kernel", &format!("Linux {}", facts.kernel))?;
    line(
        page,
        "file system",
        &format!("{} on {}", disk.file_system, disk.device),
    )?;
    line(
        page,
        "does a sync reach the device?",
        &format!(
            "{}; 4 KiB in place and `fdatasync`: {:.0}/s",
            disk.sync_reach, disk.syncs_per_second
        ),
    )?;
    line(
        page,
        "compiler",
        &format!("{}, release profile", facts.rustc),
    )?;
    line(page, "commit", &facts.commit)?;
    line(page, "load before the first row", &facts.load)?;
    line(page, "crates", &facts.crates.join(", "))?;
    writeln!(page)
}

fn how_to_read(page: &mut String, report: &Report) -> std::fmt::Result {
    writeln!(
        page,
        "## How to read this\n\n\
         - Contenders of a row run in turn, A B C A B C, {} rounds unless a row says otherwise, after a warm-up that \
         also finds how many iterations a round has. A figure is the median of the rounds; the least and the most stand \
         beside it.\n\
         - *Times better* is how many times better ours is: above 1× we win. *Baseline* is the plain way to do the \
         same by hand; *best peer* the published crate with the best median in this run; *limit* what the machine gave \
         to a loop that does nothing else.\n\
         - A goal gets **no verdict** where others used more than {:.0} % of the machine. Otherwise it has one if every \
         round is on the same side of it by {CLEAR}×. If not, it gets none where (max − min) / median of the rounds' \
         ratios exceeds the row's limit (30 % in memory, 60 % on the disk), where fewer than {:.0} % of the rounds agree, or \
         where there is one round only. Such a row is run again first: once in a quick run, else twice.\n\
         - Everybody carries the same events: a text chunk of 40 bytes, token usage of about 100, a tool's output of \
         2 KB, and a mix of them (80/15/5).\n\
         - Where a contender can't run, the row says why.\n\
         - Why a goal is missed, and what was tried: [Where the time goes](performance.md).\n",
        report.rounds,
        OTHERS_LIMIT * 100.0,
        AGREEMENT * 100.0
    )
}

/// How many goals are met, missed and open, in one line.
pub(super) fn counts(report: &Report) -> String {
    let (mut met, mut missed, mut noisy, mut open) = (0, 0, 0, 0);
    for (_, goal) in all_goals(report) {
        match goal.verdict {
            Verdict::Met => met += 1,
            Verdict::Missed => missed += 1,
            Verdict::Noisy(_) => noisy += 1,
            Verdict::Open(_) => open += 1,
        }
    }
    format!(
        "{} goals: {met} met, {missed} missed, {noisy} without a verdict for noise, {open} not to be measured yet.",
        met + missed + noisy + open
    )
}

fn all_goals(report: &Report) -> impl Iterator<Item = (&Outcome, &Judged)> {
    let rows = report.sections.iter().flat_map(|section| &section.rows);
    rows.flat_map(|row| row.goals.iter().map(move |goal| (row, goal)))
}

fn goals(page: &mut String, report: &Report) -> std::fmt::Result {
    writeln!(
        page,
        "| Row | Goal | Found | Range | Verdict |\n|---|---|---|---|---|"
    )?;
    for (row, goal) in all_goals(report) {
        let range = goal.range.map_or_else(String::new, |(least, most)| {
            format!("{} – {}", ratio(least), ratio(most))
        });
        writeln!(
            page,
            "| {} | {} | {} | {range} | {} |",
            row.title,
            full(goal),
            found(goal),
            verdict(&goal.verdict)
        )?;
    }
    writeln!(page)
}

/// The goal, with the name of whom it was judged against.
fn full(goal: &Judged) -> String {
    match &goal.against {
        Some(name) if !goal.goal.contains(name.as_str()) => format!("{} ({name})", goal.goal),
        _ => goal.goal.clone(),
    }
}

/// What a goal found: a ratio, or a note's figure.
pub(super) fn found(goal: &Judged) -> String {
    match (goal.found, &goal.against) {
        (Some(value), Some(_)) => ratio(value),
        (Some(value), None) => figure_without_unit(value),
        (None, _) => "–".into(),
    }
}

fn figure_without_unit(value: f64) -> String {
    ratio(value).trim_end_matches('×').to_owned()
}

fn verdict(verdict: &Verdict) -> String {
    match verdict {
        Verdict::Met => "met".into(),
        Verdict::Missed => "**missed**".into(),
        Verdict::Noisy(why) => format!("none: {why}"),
        Verdict::Open(why) => format!("open: {why}"),
    }
}

/// Where somebody is better than we are, goal or no goal, however ours is used.
fn losses(page: &mut String, report: &Report) -> std::fmt::Result {
    writeln!(page, "## Where we lose\n")?;
    let before = page.len();
    for row in report.sections.iter().flat_map(|section| &section.rows) {
        let columns = columns(row);
        let Some(main) = columns.ours else { continue };
        let others = others_of_ours(row);
        for (name, ours) in std::iter::once((main.name, main.median)).chain(others) {
            let which = match name == main.name {
                true => "ours".to_owned(),
                false => format!("ours ({name})"),
            };
            for (who, cell) in [
                ("the baseline", columns.seed),
                ("the best peer", columns.peer),
            ] {
                let Some(Cell { name, median, .. }) = cell else {
                    continue;
                };
                let advantage = row.unit.advantage(ours, median);
                if advantage < LEVEL {
                    writeln!(
                        page,
                        "- {}: {who} ({name}) has {}, {which} {}: {}",
                        row.title,
                        figure(row.unit, median),
                        figure(row.unit, ours),
                        ratio(advantage)
                    )?;
                }
            }
        }
    }
    if page.len() == before {
        writeln!(page, "In no row of this run.")?;
    }
    writeln!(page)
}

fn family(page: &mut String, section: &Section) -> std::fmt::Result {
    writeln!(page, "## {}\n\n{}\n", section.title, section.method)?;
    writeln!(
        page,
        "| Row | Ours | Baseline | Best peer | Limit | Times better than baseline / peer / limit |\n|---|---|---|---|---|---|"
    )?;
    for row in &section.rows {
        let columns = columns(row);
        let cell = |cell: Option<Cell<'_>>| {
            cell.map_or_else(|| "–".to_owned(), |cell| figure(row.unit, cell.median))
        };
        let times = |cell: Option<Cell<'_>>| {
            cell.and_then(|cell| cell.advantage)
                .map_or_else(|| "–".to_owned(), ratio)
        };
        writeln!(
            page,
            "| {} | {} | {} | {} | {} | {} / {} / {} |",
            row.title,
            cell(columns.ours),
            cell(columns.seed),
            cell(columns.peer),
            cell(columns.limit),
            times(columns.seed),
            times(columns.peer),
            times(columns.limit),
        )?;
    }
    writeln!(page)?;
    section.rows.iter().try_for_each(|row| details(page, row))
}

fn details(page: &mut String, row: &Outcome) -> std::fmt::Result {
    writeln!(page, "### {}\n", row.title)?;
    writeln!(
        page,
        "`{}`\n\n| Who | Figure | Least – most | Besides | Settings |\n|---|---|---|---|---|",
        row.id
    )?;
    for ran in &row.contenders {
        let (middle, range, besides) = match &ran.how {
            How::Absent { why } => ("–".to_owned(), String::new(), why.clone()),
            How::Failed { why } => ("failed".to_owned(), String::new(), why.replace('\n', " ")),
            How::Measured {
                median,
                min,
                max,
                notes,
                ..
            } => {
                let notes: Vec<String> = notes
                    .iter()
                    .map(|(name, value)| note(name, *value))
                    .collect();
                (
                    figure(row.unit, *median),
                    format!("{} – {}", figure(row.unit, *min), figure(row.unit, *max)),
                    notes.join(", "),
                )
            }
        };
        let settings = ran.settings.replace('|', "\\|");
        writeln!(
            page,
            "| {} | {middle} | {range} | {besides} | {settings} |",
            ran.name
        )?;
    }
    writeln!(page)
}
