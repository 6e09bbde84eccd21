//! `cargo xtask crash`: what can go wrong with the embedded log, tried on a simulated disk.
//!
//! The work is done by `bus-crash`, built in release and run from here; its exit code is ours.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::{cargo, evidence};

pub(crate) fn run(root: &Path, args: &[String]) -> Result<()> {
    let (args, page) = split(args);
    let mut command = cargo::cargo(root);
    command.args([
        "run",
        "--release",
        "--locked",
        "--package",
        "bus-crash",
        "--",
    ]);
    command.args(&args);
    let Some(page) = page else {
        return cargo::run(&mut command);
    };
    let counts = root.join("target/crash.md");
    cargo::run(command.arg("--markdown").arg(&counts))?;
    let text =
        fs::read_to_string(&counts).with_context(|| format!("can't read {}", counts.display()))?;
    let typed = ["cargo xtask crash".to_owned()].into_iter().chain(args);
    evidence::put(
        root,
        &page,
        "crash",
        &typed.collect::<Vec<_>>().join(" "),
        &text,
    )
}

/// What `bus-crash` is told, and the page that is ours to write.
fn split(args: &[String]) -> (Vec<String>, Option<PathBuf>) {
    let (mut rest, mut page) = (Vec::new(), None);
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        match arg.strip_prefix("--markdown") {
            Some("") => page = args.next().map(PathBuf::from),
            Some(file) if file.starts_with('=') => page = Some(PathBuf::from(&file[1..])),
            _ => rest.push(arg.clone()),
        }
    }
    (rest, page)
}

#[cfg(test)]
mod tests;
