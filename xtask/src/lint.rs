//! `cargo xtask lint`: what the tools say, with every warning an error.

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::{bench, cargo};

/// The cargo-deny that `deny.toml` is written for.
const CARGO_DENY: &str = "0.20.2";

pub(crate) fn run(root: &Path) -> Result<()> {
    let mut failed = Vec::new();
    for (name, step) in STEPS {
        if let Err(error) = step(root) {
            eprintln!("{name}: {error:#}");
            failed.push(*name);
        }
    }
    if !failed.is_empty() {
        bail!("failed: {}", failed.join(", "));
    }
    let names: Vec<_> = STEPS.iter().map(|(name, _)| *name).collect();
    println!("{}: clean", names.join(", "));
    Ok(())
}

/// What has a feature for each log.
const OPENER: &str = "bus-open";

type Step = fn(&Path) -> Result<()>;

const STEPS: &[(&str, Step)] = &[
    ("rustfmt", rustfmt),
    ("clippy", clippy),
    ("features", features),
    ("rustdoc", rustdoc),
    ("cargo-deny", deny),
];

fn rustfmt(root: &Path) -> Result<()> {
    need_component(root, "fmt", "rustfmt")?;
    cargo::run(cargo::cargo(root).args(["fmt", "--all", "--check"]))?;
    // A workspace of its own. Its lints need its peers built: `bench --smoke` has them.
    cargo::run(cargo::cargo(root).args(["fmt", "--manifest-path", bench::MANIFEST, "--check"]))
}

fn clippy(root: &Path) -> Result<()> {
    need_component(root, "clippy", "clippy")?;
    cargo::run(cargo::cargo(root).args([
        "clippy",
        "--workspace",
        "--all-targets",
        "--all-features",
        "--locked",
        "--",
        "-Dwarnings",
    ]))
}

/// A program that opens one kind of log builds no other: each feature stands alone. With all of them clippy has it.
fn features(root: &Path) -> Result<()> {
    let metadata = cargo::Metadata::of(root)?;
    let package = metadata
        .member(OPENER)
        .with_context(|| format!("the workspace has no {OPENER}"))?;
    let features = metadata.features(package).iter();
    let features = features.filter(|feature| *feature != "default");
    for feature in std::iter::once("").chain(features.map(String::as_str)) {
        let mut check = cargo::cargo(root);
        check.args(["clippy", "--locked", "--package", OPENER, "--all-targets"]);
        check.args(["--no-default-features", "--features", feature]);
        cargo::run(check.args(["--", "-Dwarnings"]))?;
    }
    Ok(())
}

fn rustdoc(root: &Path) -> Result<()> {
    cargo::run(cargo::cargo(root).env("RUSTDOCFLAGS", "-D warnings").args([
        "doc",
        "--workspace",
        "--all-features",
        "--no-deps",
        "--locked",
    ]))
}

/// The advisories are left out: their database comes from a network that a build may not have.
fn deny(root: &Path) -> Result<()> {
    if !answers(cargo::cargo(root).args(["deny", "--version"])) {
        eprintln!("cargo-deny is missing and will be installed; this takes some minutes, once");
        let package = format!("cargo-deny@{CARGO_DENY}");
        cargo::run(cargo::cargo(root).args(["install", "--locked", &package]))
            .context("cargo-deny could not be installed, so nothing checked the dependencies")?;
    }
    cargo::run(cargo::cargo(root).args(["deny", "check", "bans", "licenses", "sources"]))
}

fn need_component(root: &Path, verb: &str, component: &str) -> Result<()> {
    if answers(cargo::cargo(root).args([verb, "--version"])) {
        return Ok(());
    }
    cargo::run(
        Command::new("rustup")
            .args(["component", "add", component])
            .current_dir(root),
    )
    .with_context(|| format!("this toolchain lacks {component} and it could not be added"))
}

fn answers(command: &mut Command) -> bool {
    let quiet = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    quiet.status().is_ok_and(|status| status.success())
}
