//! `cargo xtask faults`: the tests that do their worst to servers, more often than `cargo xtask test` does.

use std::path::Path;

use anyhow::{Result, ensure};

use crate::conformance::ON_SERVERS;
use crate::services::Lent;
use crate::{cargo, evidence};

pub(crate) fn run(root: &Path, rounds: u32, page: Option<&Path>) -> Result<()> {
    let services = Lent::new(root)?;
    let mut rows = String::new();
    // The logs on servers, and what ships to them.
    for package in ON_SERVERS.iter().chain(&["bus-open"]) {
        let mut command = cargo::cargo(root);
        // What each has counted is shown.
        command
            .args(["test", "--locked", "--package", package, "--test", "it"])
            .args(["faults", "--", "--show-output"])
            .env("BUS_TEST_ROUNDS", rounds.to_string());
        let (text, success) = cargo::shown(services.tell(&mut command))?;
        ensure!(success, "{package}: a fault test failed");
        for (test, said) in said(&text) {
            rows.push_str(&format!("| {package} | {test} | {said} |\n"));
        }
    }
    let table = format!(
        "{rounds} rounds each, nothing lost.\n\n| crate | test | what it counted |\n|---|---|---|\n{rows}"
    );
    let command = format!("cargo xtask faults --rounds {rounds}");
    page.map_or(Ok(()), |page| {
        evidence::put(root, page, "faults", &command, &table)
    })
}

/// What each test printed, as libtest shows it afterwards.
fn said(text: &str) -> Vec<(&str, &str)> {
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
