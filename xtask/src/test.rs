//! `cargo xtask test`: everything that a fresh machine can run.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde::Deserialize;

use crate::cargo::{self, Metadata};
use crate::services::Lent;
use crate::tidy;

/// Real transcripts, beside the checkout.
const SESSIONS: &str = "../shared/data/sessions";

/// How long one example may take. They are demonstrations: a minute is a hang.
const EXAMPLE_LIMIT: Duration = Duration::from_secs(60);

pub(crate) fn run(root: &Path) -> Result<()> {
    let without_sessions = !root.join(SESSIONS).is_dir();
    if without_sessions {
        warn_of_missing_sessions(root);
    }
    let services = Lent::new(root)?;
    // Every step runs whatever the one before it said: one run shows all that is wrong.
    let mut failed = Vec::new();
    let mut step = |name: &'static str, outcome: Result<()>| {
        if let Err(error) = outcome {
            eprintln!("{name}: {error:#}");
            failed.push(name);
        }
    };
    step(
        "tests",
        cargo::run(services.tell(cargo::cargo(root).args([
            "test",
            "--workspace",
            "--locked",
            "--no-fail-fast",
        ]))),
    );
    step("examples", run_examples(root));
    step("tidy", tidy::run(root));

    if without_sessions {
        warn_of_missing_sessions(root);
    }
    if !failed.is_empty() {
        bail!("failed: {}", failed.join(", "));
    }
    println!("tests, examples and house rules: all hold");
    Ok(())
}

fn warn_of_missing_sessions(root: &Path) {
    eprintln!(
        "warning: {SESSIONS} is missing (looked in {}): the tests that import real transcripts \
         need it and fail without it",
        root.join(SESSIONS).display()
    );
}

/// What `cargo build --message-format json` says of one artifact.
#[derive(Deserialize)]
struct Message {
    #[serde(default)]
    target: Option<MessageTarget>,
    #[serde(default)]
    executable: Option<PathBuf>,
}

#[derive(Deserialize)]
struct MessageTarget {
    name: String,
    kind: Vec<String>,
}

/// Runs every example of the workspace, each in an empty folder of its own below `target`.
fn run_examples(root: &Path) -> Result<()> {
    let metadata = Metadata::of(root)?;
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
    let built = build_examples(root)?;
    for name in declared {
        let Some((_, program)) = built.iter().find(|(built, _)| built == name) else {
            eprintln!("example {name} was not built: does it need a feature that is off?");
            failed.push(name);
            continue;
        };
        println!("\n     Running example {name}");
        let folder = metadata.target_directory.join("examples-run").join(name);
        match run_example(program, &folder) {
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

fn build_examples(root: &Path) -> Result<Vec<(String, PathBuf)>> {
    let messages = cargo::output(cargo::cargo(root).stderr(Stdio::inherit()).args([
        "build",
        "--workspace",
        "--examples",
        "--locked",
        "--quiet",
        "--message-format=json-render-diagnostics",
    ]))?;
    let mut built = Vec::new();
    for line in messages.lines() {
        let message: Message = serde_json::from_str(line).context("not a message of cargo's")?;
        if let (Some(target), Some(program)) = (message.target, message.executable)
            && target.kind.iter().any(|kind| kind == "example")
        {
            built.push((target.name, program));
        }
    }
    Ok(built)
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
