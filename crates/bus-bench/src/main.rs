//! Us beside our peers, for whoever wants to know what is fast and what is not: `cargo xtask bench`.
//!
//! A *row* is one question to the machine, a *contender* one way of answering it: ours, the plain
//! way, a peer's published crate, or what the machine allows at most. All contenders of a row run in
//! turn, round after round; a goal gets a verdict only where the machine was quiet enough for one.
//!
//! - To add a peer: a file in `peers/fan` or `peers/store` that implements the trait there, and a
//!   line in the rows that it belongs to.
//! - To add a row: a few lines in its family's file in `rows`.
//!
//! `row` holds the words, `runner` the rounds, `verdict` the judgement, `machine` the facts, and
//! `report` what is written of all that.

mod child;
mod cli;
mod events;
mod machine;
mod peers;
mod report;
mod row;
mod rows;
mod runner;
mod stats;
mod verdict;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, ensure};
use clap::Parser;

use cli::Cli;
use machine::Facts;
use report::{Report, Section, terminal};
use row::Family;
use runner::Plan;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let outcome = match arguments.split_first() {
        Some((first, rest)) if first == child::MARK => child::run(rest),
        _ => bench(&Cli::parse()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn bench(cli: &Cli) -> Result<()> {
    if let Some(path) = &cli.choose_by {
        let text = std::fs::read_to_string(path)
            .with_context(|| format!("could not read {}", path.display()))?;
        return choose(&serde_json::from_str(&text)?);
    }
    let plan = Plan::of(cli.effort());
    let chosen: Vec<Family> = rows::all(plan.effort)
        .into_iter()
        .map(|mut family| {
            family.rows.retain(|row| cli.wants(row));
            family
        })
        .filter(|family| !family.rows.is_empty())
        .collect();
    if cli.list {
        let rows = chosen.iter().flat_map(|family| &family.rows);
        rows.for_each(|row| println!("{}", row.id));
        return Ok(());
    }
    ensure!(!chosen.is_empty(), "no row's name holds that; see --list");
    let folder = scratch(cli)?;
    let facts = Facts::gather(folder.path(), &root())?;
    terminal::facts(&facts);
    let mut sections = Vec::new();
    for family in chosen {
        let mut outcomes = Vec::with_capacity(family.rows.len());
        terminal::family(family.title);
        for (number, row) in family.rows.iter().enumerate() {
            let dir = folder.path().join(format!("{}-{number}", family.id));
            let outcome =
                runner::run(row, plan, &dir).with_context(|| format!("row {}", row.id))?;
            if dir.exists() {
                std::fs::remove_dir_all(&dir)?;
            }
            terminal::outcome(&outcome);
            outcomes.push(outcome);
        }
        sections.push(Section {
            id: family.id,
            title: family.title,
            method: family.method,
            rows: outcomes,
        });
    }
    let report = Report {
        command: cli.command(),
        effort: plan.effort,
        rounds: plan.rounds,
        facts,
        sections,
    };
    terminal::summary(&report);
    write(cli, &report)
}

fn write(cli: &Cli, report: &Report) -> Result<()> {
    if let Some(path) = &cli.json {
        std::fs::write(path, report::json(report)?)
            .with_context(|| format!("could not write {}", path.display()))?;
    }
    if let Some(path) = cli.markdown(&root()) {
        std::fs::write(&path, report::markdown::page(report))
            .with_context(|| format!("could not write {}", path.display()))?;
        println!("written: {}", path.display());
    }
    if cli.is_whole() {
        choose(&serde_json::to_value(report)?)?;
    }
    // A smoke run is a test: whoever can't run fails it.
    let failed = report.failed();
    ensure!(failed.is_empty(), "failed: {}", failed.join(", "));
    Ok(())
}

/// Brings the figures of a run onto the page that helps to choose.
fn choose(run: &serde_json::Value) -> Result<()> {
    let path = root().join("docs/choosing.md");
    let page = std::fs::read_to_string(&path)
        .with_context(|| format!("could not read {}", path.display()))?;
    std::fs::write(&path, report::choosing::update(&page, run)?)
        .with_context(|| format!("could not write {}", path.display()))?;
    println!("written: {}", path.display());
    Ok(())
}

/// A folder that is gone when the program is.
fn scratch(cli: &Cli) -> Result<tempfile::TempDir> {
    let base = match &cli.dir {
        Some(dir) => dir.clone(),
        // Beside what is built, not in the system's folder for such things: that is often a memory.
        None => root().join("target"),
    };
    std::fs::create_dir_all(&base)?;
    tempfile::Builder::new()
        .prefix("bench-")
        .tempdir_in(&base)
        .with_context(|| format!("could not make a folder in {}", base.display()))
}

/// The repository.
fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).unwrap_or(here).to_path_buf()
}
