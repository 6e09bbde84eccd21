//! `cargo xtask test`: everything that a fresh machine can run.

pub(crate) mod binaries;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::cargo::{self, Built, Metadata};
use crate::conformance;
use crate::services::Lent;
use crate::tidy;

pub(crate) use binaries::{Ran, build};

/// Real transcripts, beside the checkout.
const SESSIONS: &str = "../shared/data/sessions";

/// How long one example may take. They are demonstrations: a minute is a hang.
const EXAMPLE_LIMIT: Duration = Duration::from_secs(60);

pub(crate) fn run(root: &Path) -> Result<()> {
    let without_sessions = !root.join(SESSIONS).is_dir();
    if without_sessions {
        warn_of_missing_sessions(root);
    }
    let metadata = Metadata::of(root)?;
    let services = Lent::new(root)?;
    // Every step runs whatever the one before it said: one run shows all that is wrong.
    let mut failed = Vec::new();
    let mut step = |name: &'static str, outcome: Result<()>| {
        if let Err(error) = outcome {
            eprintln!("{name}: {error:#}");
            failed.push(name);
        }
    };
    let ran = binaries::run(root, &metadata, &services).unwrap_or_else(|error| {
        step("build", Err(error));
        Vec::new()
    });
    step("tests", binaries::judge(&ran));
    step("examples", run_examples(root, &metadata));
    step("tidy", tidy::run(root));

    // Last, where it is seen.
    step("laws", conformance::of(&metadata, &ran));
    binaries::tell_skips(&ran);
    if without_sessions {
        warn_of_missing_sessions(root);
    }
    if !failed.is_empty() {
        bail!("failed: {}", failed.join(", "));
    }
    println!("tests, laws, examples and house rules: all hold");
    Ok(())
}

fn warn_of_missing_sessions(root: &Path) {
    eprintln!(
        "warning: {SESSIONS} is missing (looked in {}): the tests that import real transcripts \
         need it; they are skipped, and fail under CI",
        root.join(SESSIONS).display()
    );
}

/// Runs every example of the workspace, each in an empty folder of its own below `target`.
fn run_examples(root: &Path, metadata: &Metadata) -> Result<()> {
    let declared: BTreeSet<&str> = metadata
        .members()
        .flat_map(|package| package.targets_of("example"))
        .map(|target| target.name.as_str())
        .collect();
    if declared.is_empty() {
        println!("examples: the workspace has none");
        return Ok(());
    }
    let mut failed = Vec::new();
    let mut build = cargo::cargo(root);
    build.args(["build", "--workspace", "--examples", "--locked", "--quiet"]);
    let built = cargo::build(&mut build)?;
    let is_example = |built: &&Built| built.kind.iter().any(|kind| kind == "example");
    for name in declared {
        let mut examples = built.iter().filter(is_example);
        let Some(built) = examples.find(|built| built.name == name) else {
            eprintln!("example {name} was not built: does it need a feature that is off?");
            failed.push(name);
            continue;
        };
        println!("\n     Running example {name}");
        let folder = metadata.target_directory.join("examples-run").join(name);
        match run_example(&built.program, &folder) {
            Ok(took) => println!("example {name} ... ok ({} ms)", took.as_millis()),
            Err(error) => {
                println!("example {name} ... FAILED: {error:#}");
                failed.push(name);
            }
        }
    }
    if !failed.is_empty() {
        bail!("failed: {}", failed.join(", "));
    }
    Ok(())
}

fn run_example(program: &Path, folder: &Path) -> Result<Duration> {
    if folder.exists() {
        fs::remove_dir_all(folder)?;
    }
    fs::create_dir_all(folder)?;
    let start = Instant::now();
    let mut child = Command::new(program)
        .current_dir(folder)
        .stdin(Stdio::null())
        .spawn()
        .with_context(|| format!("could not start {}", program.display()))?;
    loop {
        if let Some(status) = child.try_wait()? {
            if status.success() {
                return Ok(start.elapsed());
            }
            bail!("{status}");
        }
        if start.elapsed() > EXAMPLE_LIMIT {
            child.kill()?;
            child.wait()?;
            bail!("still running after {} s", EXAMPLE_LIMIT.as_secs());
        }
        thread::sleep(Duration::from_millis(20));
    }
}
