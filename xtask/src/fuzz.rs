//! `cargo xtask fuzz`: every fuzz target for a bounded time, from its committed seeds.
//!
//! The targets are those of cargo-fuzz, in `crates/*/fuzz`, and `cargo fuzz` runs them too. A gate
//! must not need a nightly toolchain, though, and coverage-guided libFuzzer does not: its
//! instrumentation is an LLVM pass that a stable rustc can be told to run. Only the sanitizers need
//! nightly, and safe Rust gains little from them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;

use anyhow::{Context, Result, bail, ensure};
use serde::Deserialize;

use crate::{cargo, evidence};

/// What cargo-fuzz tells rustc, but for the sanitizer.
const INSTRUMENTED: &str = "--cfg fuzzing -Cpasses=sancov-module -Ccodegen-units=1 \
    -Cdebug-assertions -Coverflow-checks -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
    -Cllvm-args=-sanitizer-coverage-pc-table -Cllvm-args=-sanitizer-coverage-trace-compares \
    -Cllvm-args=-sanitizer-coverage-stack-depth -Cllvm-args=-simplifycfg-branch-fold-threshold=0";

/// How many targets run at the same time: each is one thread, with a corpus of its own.
const AT_ONCE: usize = 2;

/// One input that takes longer than this, in seconds, is a finding.
const INPUT_LIMIT: u32 = 10;

/// The part of a fuzz crate's manifest that says what to run.
#[derive(Deserialize)]
struct Manifest {
    #[serde(default, rename = "bin")]
    bins: Vec<Bin>,
}

#[derive(Deserialize)]
struct Bin {
    name: String,
}

pub(crate) fn run(
    root: &Path,
    seconds: u32,
    only: Option<&str>,
    page: Option<&Path>,
) -> Result<()> {
    let host = cargo::host(root)?;
    let mut ran = 0;
    let mut rows = String::new();
    let mut failed = Vec::new();
    for folder in fuzz_crates(root)? {
        let names = targets(&folder)?;
        let names: Vec<_> = names
            .into_iter()
            .filter(|name| only.is_none_or(|only| name.contains(only)))
            .collect();
        if names.is_empty() {
            continue;
        }
        let programs = build(root, &folder, &host)?;
        for pair in names.chunks(AT_ONCE) {
            let outcomes = at_once(pair, |name| {
                fuzz(root, &folder, &programs.join(name), seconds)
            });
            for (name, outcome) in pair.iter().zip(outcomes) {
                ran += 1;
                match outcome {
                    Ok(runs) => {
                        println!("fuzz {name} ... ok ({runs} runs in {seconds} s)");
                        rows.push_str(&format!("| {name} | {runs} | {seconds} |\n"));
                    }
                    Err(error) => {
                        println!("fuzz {name} ... FAILED: {error:#}");
                        failed.push(name.clone());
                    }
                }
            }
        }
    }
    ensure!(ran > 0, "no fuzz target has that name");
    if !failed.is_empty() {
        bail!("failed: {}", failed.join(", "));
    }
    println!("{ran} fuzz targets: no finding");
    let table = format!("No finding.\n\n| target | runs | seconds |\n|---|---:|---:|\n{rows}");
    let only = only.map_or_else(String::new, |only| format!(" {only}"));
    let command = format!("cargo xtask fuzz --seconds {seconds}{only}");
    page.map_or(Ok(()), |page| {
        evidence::put(root, page, "fuzz", &command, &table)
    })
}

/// Does it with all of them at the same time; what came of each, in their order.
fn at_once<T: Send>(names: &[String], run: impl Fn(&str) -> Result<T> + Sync) -> Vec<Result<T>> {
    thread::scope(|scope| {
        let run = &run;
        let threads: Vec<_> = names
            .iter()
            .map(|name| scope.spawn(move || run(name)))
            .collect();
        threads
            .into_iter()
            .map(|thread| match thread.join() {
                Ok(outcome) => outcome,
                Err(_) => bail!("a panic"),
            })
            .collect()
    })
}

/// The folders of fuzz crates, in order of their names.
fn fuzz_crates(root: &Path) -> Result<Vec<PathBuf>> {
    let crates = root.join("crates");
    let mut found = Vec::new();
    for entry in
        fs::read_dir(&crates).with_context(|| format!("can't list {}", crates.display()))?
    {
        let folder = entry?.path().join("fuzz");
        if folder.join("Cargo.toml").is_file() {
            found.push(folder);
        }
    }
    found.sort();
    Ok(found)
}

fn targets(folder: &Path) -> Result<Vec<String>> {
    let path = folder.join("Cargo.toml");
    let text =
        fs::read_to_string(&path).with_context(|| format!("can't read {}", path.display()))?;
    let manifest: Manifest =
        toml::from_str(&text).with_context(|| format!("can't read {}", path.display()))?;
    Ok(manifest.bins.into_iter().map(|bin| bin.name).collect())
}

/// Builds a crate's targets, and says where they lie. What they depend on is shared by all.
fn build(root: &Path, folder: &Path, host: &str) -> Result<PathBuf> {
    let target = root.join("target/fuzz");
    cargo::run(
        cargo::cargo(folder)
            .env("RUSTFLAGS", INSTRUMENTED)
            .env("CARGO_TARGET_DIR", &target)
            .args(["build", "--release", "--bins", "--target", host]),
    )?;
    Ok(target.join(host).join("release"))
}

/// Runs one target; returns how many inputs it tried.
fn fuzz(root: &Path, folder: &Path, program: &Path, seconds: u32) -> Result<u64> {
    let name = program
        .file_name()
        .context("a target without a name")?
        .to_string_lossy()
        .into_owned();
    let seeds = folder.join("seeds").join(&name);
    ensure!(
        fs::read_dir(&seeds).is_ok_and(|mut files| files.next().is_some()),
        "no seeds in {}",
        seeds.display()
    );
    // What is found goes to the first folder: the seeds are only read.
    let corpus = root.join("target/fuzz-corpus").join(&name);
    let findings = root.join("target/fuzz-findings");
    fs::create_dir_all(&corpus)?;
    fs::create_dir_all(&findings)?;
    let mut command = Command::new(program);
    command
        .arg(&corpus)
        .arg(&seeds)
        .arg(format!("-max_total_time={seconds}"))
        .arg(format!("-timeout={INPUT_LIMIT}"))
        .arg(format!("-artifact_prefix={}/{name}-", findings.display()))
        .stdin(Stdio::null())
        .stdout(Stdio::null());
    eprintln!("$ {}", cargo::typed(&command));
    let out = command
        .output()
        .with_context(|| format!("could not start {}", program.display()))?;
    let said = String::from_utf8_lossy(&out.stderr);
    if !out.status.success() {
        eprintln!("{}", last_lines(&said, 40));
        bail!("{}; the input is in {}", out.status, findings.display());
    }
    runs(&said).with_context(|| format!("it did not say how many runs:\n{}", last_lines(&said, 5)))
}

/// How many inputs libFuzzer says that it ran.
fn runs(said: &str) -> Option<u64> {
    let line = said
        .lines()
        .rev()
        .find_map(|line| line.strip_prefix("Done "))?;
    line.split_once(" runs in ")?.0.parse().ok()
}

fn last_lines(text: &str, count: usize) -> String {
    let lines: Vec<_> = text.lines().collect();
    lines[lines.len().saturating_sub(count)..].join("\n")
}

#[cfg(test)]
mod tests;
