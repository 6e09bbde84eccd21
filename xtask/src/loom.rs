//! `cargo xtask loom`: the models of what threads do to each other, run through every order.
//!
//! A model is a test in a module called `models`, built with `--cfg loom`. Its crate prints a line
//! `model NAME: N orders` for each. None at all is an error: silence proves nothing.

#[cfg(test)]
mod tests;

use std::path::Path;

use anyhow::{Context, Result, ensure};

use crate::cargo::{self, Built, Metadata};
use crate::evidence;

/// Which crates have models.
const CRATES: &[&str] = &["bus-core", "bus-log", "bus-tokio"];

/// How they are built: what goes through every order is optimised, and all else as fast to build as can be.
const PROFILE: &str = "models";

pub(crate) fn run(root: &Path, page: Option<&Path>) -> Result<()> {
    let metadata = Metadata::of(root)?;
    let built = build(root)?;
    let mut models = 0;
    let mut orders = 0;
    let mut rows = String::new();
    for name in CRATES {
        let text = run_models(&metadata, &built, name)?;
        let counts = counts(&text);
        ensure!(!counts.is_empty(), "{name}: no model ran");
        models += counts.len();
        for (model, count) in counts {
            orders += count;
            rows.push_str(&format!("| {name} | {model} | {count} |\n"));
        }
    }
    let sum = format!("{models} models hold in {orders} orders");
    println!("loom: {sum}");
    let table = format!("{sum}.\n\n| crate | model | orders |\n|---|---|---:|\n{rows}");
    page.map_or(Ok(()), |page| {
        evidence::put(root, page, "loom", "cargo xtask loom", &table)
    })
}

/// Builds the unit tests of all crates with models at once: they depend on each other.
fn build(root: &Path) -> Result<Vec<Built>> {
    let flags = std::env::var("RUSTFLAGS").unwrap_or_default();
    let mut command = cargo::cargo(root);
    command
        .env("RUSTFLAGS", format!("{flags} --cfg loom").trim())
        // Everything is built anew with these flags: elsewhere, so that nothing else is.
        .env("CARGO_TARGET_DIR", root.join("target/loom"))
        .args([
            "test",
            "--profile",
            PROFILE,
            "--locked",
            "--lib",
            "--no-run",
        ])
        .args(CRATES.iter().flat_map(|name| ["--package", name]));
    eprintln!("With RUSTFLAGS=--cfg loom:");
    cargo::build(&mut command)
}

/// Runs the models of one crate, shows what they print and returns it.
fn run_models(metadata: &Metadata, built: &[Built], name: &str) -> Result<String> {
    let package = metadata
        .member(name)
        .with_context(|| format!("the workspace has no {name}"))?;
    let tests = built
        .iter()
        .find(|built| built.is_test && built.package == package.id)
        .with_context(|| format!("{name}: its tests were not built"))?;
    let mut command = cargo::test_program(package, &tests.program);
    let (text, success) = cargo::shown(command.args(["models::", "--nocapture"]))?;
    ensure!(success, "{name}: a model does not hold");
    Ok(text)
}

/// The models, and how many orders each ran through. Other output may stand before it on the same line.
fn counts(text: &str) -> Vec<(&str, u64)> {
    text.lines()
        .filter_map(|line| {
            let (_, model) = line.split_once("model ")?;
            let (name, count) = model.strip_suffix(" orders")?.rsplit_once(": ")?;
            Some((name, count.parse().ok()?))
        })
        .collect()
}
