//! `cargo xtask faults`: the tests that do their worst to servers, more often than `cargo xtask test` does.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Instant;

use anyhow::{Result, ensure};

use crate::conformance::ON_SERVERS;
use crate::services::Lent;
use crate::test::binaries;
use crate::{cargo, evidence};

/// The logs on servers, and what ships to them.
fn crates() -> impl Iterator<Item = &'static str> {
    ON_SERVERS.iter().copied().chain(["bus-open"])
}

/// Which modules of their tests do their worst: those of faults, and of live events on connections that fail.
const MODULES: [&str; 2] = ["faults", "live::"];

pub(crate) fn run(root: &Path, rounds: u32, only: Option<&str>, page: Option<&Path>) -> Result<()> {
    let chosen: Vec<&str> = crates()
        .filter(|name| only.is_none_or(|only| only == *name))
        .collect();
    let known: Vec<&str> = crates().collect();
    ensure!(
        !chosen.is_empty(),
        "no crate with faults has that name (there are {})",
        known.join(", ")
    );
    let services = Lent::new(root)?;
    // Each crate is tried whatever became of the one before it: one run shows all that is wrong.
    let mut failed = Vec::new();
    for package in chosen {
        let mut command = cargo::cargo(root);
        // What each has counted is shown.
        command
            .args(["test", "--locked", "--package", package, "--test", "it"])
            .arg("--")
            .args(MODULES)
            .arg("--show-output")
            .env("BUS_TEST_ROUNDS", rounds.to_string());
        let start = Instant::now();
        let (text, success) = cargo::shown(services.tell(&mut command))?;
        let count = passed(&text).len();
        if !success || count == 0 {
            failed.push(package);
            continue;
        }
        let Some(page) = page else { continue };
        let minutes = start.elapsed().as_secs().div_ceil(60);
        let counts = format!(
            "{count} tests, in {minutes} min: all that is not skipped passed. Those that count rounds were asked for {rounds}, and make more where \
             they make more anyway; the others do their worst a fixed number of times. Each line says what its test counted.\n\n\
             | test | what it counted |\n|---|---|\n{}",
            table(&text) + &skipped(&text)
        );
        let command = format!("cargo xtask faults --rounds {rounds} --only {package}");
        evidence::put(root, page, &format!("faults: {package}"), &command, &counts)?;
    }
    ensure!(
        failed.is_empty(),
        "a fault test failed, or none ran: {}",
        failed.join(", ")
    );
    Ok(())
}

/// What one crate's tests counted, and then which passed without a word.
fn table(text: &str) -> String {
    let said = said(text);
    let mut rows = String::new();
    for (test, said) in &said {
        rows.push_str(&format!("| {test} | {said} |\n"));
    }
    // A child is run by the test that kills it; alone it does nothing.
    let is_child = |test: &&str| {
        test.rsplit("::")
            .next()
            .is_some_and(|name| name.starts_with("child_"))
    };
    for test in passed(text).into_iter().filter(|test| !is_child(test)) {
        if !said.iter().any(|(name, _)| *name == test) {
            rows.push_str(&format!("| {test} | passed |\n"));
        }
    }
    rows
}

/// What was not tried, in the tests' own words: they pass all the same.
fn skipped(text: &str) -> String {
    let lines = text.lines().map(str::trim);
    let lines: BTreeSet<&str> = lines.filter(|line| binaries::is_skip(line)).collect();
    if lines.is_empty() {
        return String::new();
    }
    let lines: String = lines.iter().flat_map(|line| ["- ", *line, "\n"]).collect();
    format!("\nNot tried here, though the test counts as passed:\n\n{lines}")
}

/// The tests that passed. A test's own output may stand between its name and its result.
fn passed(text: &str) -> Vec<&str> {
    let mut passed = Vec::new();
    let mut waiting = None;
    for line in text.lines() {
        let test = line.strip_prefix("test ");
        if let Some((name, rest)) = test.and_then(|test| test.split_once(" ... ")) {
            waiting = Some(name.trim_end_matches(" - should panic"));
            if !ends(rest) {
                continue;
            }
        } else if !ends(line) {
            continue;
        }
        let is_ok = line.ends_with("ok");
        passed.extend(waiting.take().filter(|_| is_ok));
    }
    passed
}

/// Whether a test's result stands there.
fn ends(line: &str) -> bool {
    matches!(line.split_whitespace().next_back(), Some("ok" | "FAILED"))
}

/// What each test printed, as libtest shows it afterwards.
pub(crate) fn said(text: &str) -> Vec<(&str, &str)> {
    let mut said = Vec::new();
    let mut test = None;
    for line in text.lines() {
        if let Some(name) = line.strip_prefix("---- ") {
            test = name.strip_suffix(" stdout ----");
        } else if line.is_empty() {
            test = None;
        } else {
            said.extend(test.map(|test| (test, line.trim())));
        }
    }
    said
}

#[cfg(test)]
mod tests;
