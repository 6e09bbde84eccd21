//! `cargo xtask loom`: the models of what threads do to each other, run through every order.
//!
//! A model is a test in a module called `models`, built with `--cfg loom`. Its crate prints a line
//! `model NAME: N orders` for each. None at all is an error: silence proves nothing.

#[cfg(test)]
mod tests;

use std::path::Path;

use anyhow::{Result, ensure};

use crate::{cargo, evidence};

/// Which crates have models.
const CRATES: &[&str] = &["bus-core", "bus-log", "bus-tokio"];

pub(crate) fn run(root: &Path, page: Option<&Path>) -> Result<()> {
    let mut models = 0;
    let mut orders = 0;
    let mut rows = String::new();
    for name in CRATES {
        let text = run_models(root, name)?;
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

/// Runs the models of one crate, shows what they print and returns it.
fn run_models(root: &Path, name: &str) -> Result<String> {
    let flags = std::env::var("RUSTFLAGS").unwrap_or_default();
    let mut command = cargo::cargo(root);
    command
        .env("RUSTFLAGS", format!("{flags} --cfg loom").trim())
        // Everything is built anew with these flags: elsewhere, so that nothing else is.
        .env("CARGO_TARGET_DIR", root.join("target/loom"))
        .args(["test", "--release", "--locked", "--package", name, "--lib"])
        .args(["models::", "--", "--nocapture"]);
    eprintln!("With RUSTFLAGS=--cfg loom:");
    let (text, success) = cargo::shown(&mut command)?;
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
