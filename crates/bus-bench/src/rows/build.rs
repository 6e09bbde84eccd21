//! How long whoever takes our crates waits for them, the first time.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, ensure};

use crate::row::{Class, Contender, Effort, Family, Measurement, Pace, Role, Row, Unit};

pub(crate) fn family(_effort: Effort) -> Family {
    Family {
        id: "build",
        title: "Cold build",
        method: "`cargo build --offline` of the dev profile into an empty target folder, everything \
                 fetched before, on all cores.",
        rows: vec![
            row(
                "build/core",
                "bus-core alone, as a framework takes it",
                &["bus-core"],
            ),
            row(
                "build/host",
                "a host with the file log",
                &["bus-tokio", "bus-log-file"],
            ),
        ],
    }
}

fn row(id: &'static str, title: &'static str, packages: &'static [&'static str]) -> Row {
    Row::new(id, title, Unit::Nanos)
        .class(Class::Slow)
        .pace(Pace::Fixed(1))
        .rounds(1)
        .with(Contender::new(
            packages.join(" + "),
            Role::Ours,
            "dev profile, the repository's lock file",
            move |place| {
                let (target, effort) = (place.dir.join("target"), place.effort);
                if effort != Effort::Smoke {
                    fetch()?;
                }
                Ok(move |_| built(&target, packages, effort))
            },
        ))
}

/// Has every crate of the lock file at hand, so that the clock measures no download.
fn fetch() -> Result<()> {
    let mut cargo = cargo();
    let out = cargo
        .args(["fetch", "--locked"])
        .output()
        .context("cargo")?;
    let said = String::from_utf8_lossy(&out.stderr);
    ensure!(out.status.success(), "cargo fetch failed: {}", said.trim());
    Ok(())
}

fn cargo() -> Command {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(crate::root()).stdin(Stdio::null());
    cargo
}

fn built(target: &Path, packages: &[&str], effort: Effort) -> Result<Measurement> {
    let mut cargo = cargo();
    if effort == Effort::Smoke {
        // Whether cargo is there and finds the workspace; a build takes longer than all the rest.
        cargo.args([
            "metadata",
            "--locked",
            "--offline",
            "--no-deps",
            "--format-version=1",
        ]);
    } else {
        cargo.args([
            "build",
            "--locked",
            "--offline",
            "--message-format=json",
            "--target-dir",
        ]);
        cargo.arg(target);
        cargo.args(packages.iter().flat_map(|package| ["--package", package]));
    }
    let start = Instant::now();
    let out = cargo.output().context("cargo")?;
    let took = start.elapsed();
    let said = String::from_utf8_lossy(&out.stderr);
    ensure!(out.status.success(), "cargo failed: {}", said.trim());
    let messages = String::from_utf8_lossy(&out.stdout);
    let artifacts = messages
        .lines()
        .filter(|line| line.contains(r#""reason":"compiler-artifact""#));
    let crates = artifacts.count();
    if target.exists() {
        std::fs::remove_dir_all(target)?;
    }
    Ok(Measurement::of(took.as_nanos() as f64).note("units compiled", crates as f64))
}
