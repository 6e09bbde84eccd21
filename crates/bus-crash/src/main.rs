//! `cargo xtask crash`: what can go wrong with the embedded log, tried at every point. See
//! `docs/adr/0011-a-simulated-disk.md` for what is modelled.

use std::env;
use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;
use std::thread;
use std::time::{Duration, Instant};

use bus_crash::play::{FileLog, Script};
use bus_crash::process::{self, kill_9};
use bus_crash::report::{Report, Tally};
use bus_crash::sweep::{
    Effort, End, beside, damage, damage_huge, damage_some, kill, power, trouble, unreadable,
};
use bus_log_file::Durability;
use clap::Parser;

#[derive(Parser)]
#[command(
    name = "cargo xtask crash",
    about = "Tries what can go wrong with the embedded log"
)]
struct Cli {
    /// Only what fits into a few minutes on two cores
    #[arg(long)]
    ci: bool,
    /// As with `--ci`, and a share of the points only, by the seed
    #[arg(long, conflicts_with = "ci")]
    gate: bool,
    /// Decides all that chance decides
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Only sweeps whose name contains this
    #[arg(long, value_name = "PATTERN")]
    only: Option<String>,
    /// Only this point of each sweep, and every second fault after it
    #[arg(long)]
    point: Option<u64>,
    /// Threads [default: one per core]
    #[arg(long)]
    jobs: Option<usize>,
    /// Fails if all of it takes longer than this, in seconds
    #[arg(long, value_name = "SECONDS")]
    at_most: Option<u64>,
    /// Writes the counts into this file, as Markdown
    #[arg(long, value_name = "FILE")]
    markdown: Option<PathBuf>,
}

type Sweep = (String, Box<dyn Fn(&Effort) -> Tally>);

fn main() -> ExitCode {
    if let Some(done) = process::child() {
        return done;
    }
    let cli = Cli::parse();
    let short = cli.ci || cli.gate;
    let cores = || thread::available_parallelism().map_or(1, usize::from);
    let effort = Effort {
        seed: cli.seed,
        jobs: cli.jobs.unwrap_or_else(cores),
        rolls: if short { 1 } else { 3 },
        nested: if short { 1 } else { 4 },
        share: 1,
        sample: short.then_some(if cli.gate { 20 } else { 50 }),
        point: cli.point,
    };
    let mut sweeps = sweeps(cli.seed, if short { 1 } else { 8 });
    sweeps.extend(damages(if short {
        [2_000, 400]
    } else {
        [100_000, 10_000]
    }));
    let kills = if short { 60 } else { 500 };
    sweeps.push((
        "kill -9 of two writers and a follower".to_owned(),
        // Without a name the first start fails, and is told.
        Box::new(move |effort| kill_9(&env::current_exe().unwrap_or_default(), effort, kills)),
    ));
    let chosen = sweeps.into_iter().filter(|(name, _)| {
        let only = cli.only.as_deref();
        only.is_none_or(|only| name.contains(only))
    });
    let mut report = Report::default();
    let all = Instant::now();
    for (name, sweep) in chosen {
        let begun = Instant::now();
        let effort = Effort {
            share: if cli.gate { share(&name) } else { 1 },
            ..effort
        };
        let tally = sweep(&effort);
        eprintln!("{name}: {:.1} s", begun.elapsed().as_secs_f64());
        for violation in &tally.violations {
            println!("{violation}");
            println!(
                "  again: cargo xtask crash {}--only '{name}' --point {} --seed {}\n",
                // Of more rolls of the dice the same point would have others.
                if short { "--ci " } else { "" },
                violation.point,
                cli.seed
            );
        }
        report.tallies.push(tally);
    }
    println!("{report}");
    if cli.gate {
        println!("a share of the points only, chosen by seed {}\n", cli.seed);
    }
    if report.tallies.is_empty() {
        eprintln!("error: no sweep has such a name");
        return ExitCode::FAILURE;
    }
    let took = all.elapsed().as_secs();
    let told = cli
        .markdown
        .map_or(Ok(()), |file| fs::write(file, report.markdown(took)));
    match (report.violated(), told) {
        (0, Ok(())) => println!("losses: 0, in {took} s"),
        (0, Err(error)) => {
            eprintln!("error: can't write the counts: {error}");
            return ExitCode::FAILURE;
        }
        (violated, _) => {
            eprintln!("error: {violated} violations");
            return ExitCode::FAILURE;
        }
    }
    match cli.at_most.filter(|most| took > *most) {
        Some(most) => {
            eprintln!("error: the sweeps took {took} s, more than {most} s");
            ExitCode::FAILURE
        }
        None => ExitCode::SUCCESS,
    }
}

/// Of how many points of a sweep the gate tries one.
fn share(sweep: &str) -> u64 {
    let shares = [
        ("damage", 8),
        ("full or broken disk", 6),
        ("reader beside", 4),
        ("power cut", 2),
        ("kill one of two", 2),
    ];
    let known = shares.iter().find(|(name, _)| sweep.starts_with(name));
    known.map_or(1, |(_, share)| *share)
}

/// All sweeps, with so many scripts made by chance for one process, and for two.
fn sweeps(seed: u64, random: u64) -> Vec<Sweep> {
    let mut scripts = vec![
        Script::one(),
        Script::two(),
        Script::idle(),
        Script::crowd(),
    ];
    for n in 0..random {
        let seed = seed.wrapping_mul(1000).wrapping_add(2 * n);
        scripts.push(Script::random(seed, 1, 40));
        scripts.push(Script::random(seed + 1, 2, 40));
    }
    let mut sweeps: Vec<Sweep> = Vec::new();
    let window = Durability::Interval(Duration::from_millis(2));
    // What these have refused or lost is part of the script.
    let lossy = [Script::behind(), Script::late()];
    let early = [
        Script::early("interval", window),
        Script::early("os", Durability::Os),
    ];
    let two_early = [
        Script::two().with_durability("two, interval", window),
        Script::two().with_durability("two, os", Durability::Os),
    ];
    let recorded = || scripts.iter().chain(&lossy).chain(&early);
    for script in recorded() {
        let own = script.clone();
        let name = format!("power cut: {}", script.name);
        sweeps.push((name, Box::new(move |effort| power(&FileLog, &own, effort))));
    }
    for script in recorded() {
        let own = script.clone();
        let name = format!("reader beside: {}", script.name);
        sweeps.push((name, Box::new(move |effort| beside(&FileLog, &own, effort))));
    }
    let two = scripts.iter().filter(|script| script.processes == 2);
    let two = two.filter(|script| script.name != "idle").chain(&two_early);
    for script in two {
        let own = script.clone();
        let name = format!("kill one of two: {}", script.name);
        sweeps.push((name, Box::new(move |effort| kill(&FileLog, &own, effort))));
    }
    for script in &scripts {
        let own = script.clone();
        let name = format!("full or broken disk: {}", script.name);
        sweeps.push((
            name,
            Box::new(move |effort| trouble(&FileLog, &own, effort)),
        ));
    }
    for script in &scripts {
        let own = script.clone();
        let name = format!("unreadable disk: {}", script.name);
        let sweep = move |effort: &Effort| unreadable(&FileLog, &own, effort);
        sweeps.push((name, Box::new(sweep)));
    }
    sweeps
}

/// The sweeps over damage, with so many bytes by chance of the larger log, and so many damages to the largest.
fn damages([some, huge]: [u64; 2]) -> Vec<Sweep> {
    let ends = [End::Closed, End::Killed, End::PowerCut];
    let mut sweeps: Vec<Sweep> = Vec::new();
    for end in ends {
        let name = format!("damage: {end}");
        sweeps.push((name, Box::new(move |effort| damage(&FileLog, end, effort))));
    }
    let large = move |effort: &Effort| damage_some(&FileLog, some, effort);
    sweeps.push(("damage: large".to_owned(), Box::new(large)));
    let huge = move |effort: &Effort| damage_huge(&FileLog, huge, effort);
    sweeps.push(("damage: 1 MiB".to_owned(), Box::new(huge)));
    sweeps
}
