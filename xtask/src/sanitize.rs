//! `cargo xtask sanitize`: tests of what threads do to each other, under ThreadSanitizer.
//!
//! Our crates forbid `unsafe`, so what it could find is a race in what they build on, and in the tests' own use of it. The
//! sanitizer instruments the standard library too, which only a nightly toolchain can build: without one this verb fails and
//! says what to install. The gate does not run it.

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};

use crate::{cargo, evidence};

const INSTALL: &str = "rustup toolchain install nightly --component rust-src";

/// Crate, test target, and the tests of it in which many threads meet.
const TESTS: &[(&str, &[&str], &str)] = &[
    ("bus-core", &["--lib"], "ticket"),
    ("bus-tokio", &["--lib"], "ring::"),
    ("bus-tokio", &["--test", "it"], "stress"),
    ("bus-tokio", &["--test", "it"], "order"),
    ("bus-log", &["--test", "it"], "gaps"),
    ("bus-log-file", &["--test", "it"], "group_commit"),
];

pub(crate) fn run(root: &Path, page: Option<&Path>) -> Result<()> {
    let host = host()?;
    let mut rows = String::new();
    let mut passed = 0;
    for (package, target, filter) in TESTS {
        let text = sanitized(root, &host, package, target, filter)?;
        let count = passed_in(&text);
        ensure!(count > 0, "{package}: no test of `{filter}` ran");
        passed += count;
        rows.push_str(&format!("| {package} | {filter} | {count} |\n"));
    }
    let sum = format!("{passed} tests, no data race");
    println!("sanitize: {sum}");
    let table = format!("{sum}.\n\n| crate | tests | passed |\n|---|---|---:|\n{rows}");
    page.map_or(Ok(()), |page| {
        evidence::put(root, page, "sanitize", "cargo xtask sanitize", &table)
    })
}

/// What the nightly toolchain builds for: a standard library of one's own needs it said.
fn host() -> Result<String> {
    let rustc = |arguments: &[&str]| {
        let output = Command::new("rustup")
            .args(["run", "nightly", "rustc"])
            .args(arguments)
            .stdin(Stdio::null())
            .output();
        let output = output.with_context(|| format!("can't run rustup: {INSTALL}"))?;
        ensure!(
            output.status.success(),
            "there is no nightly toolchain: {INSTALL}"
        );
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    };
    let sysroot = rustc(&["--print", "sysroot"])?;
    let library = Path::new(sysroot.trim()).join("lib/rustlib/src/rust/library");
    ensure!(
        library.is_dir(),
        "the nightly toolchain has no source of the standard library: {INSTALL}"
    );
    let version = rustc(&["-vV"])?;
    match version.lines().find_map(|line| line.strip_prefix("host: ")) {
        Some(host) => Ok(host.to_owned()),
        None => bail!("rustc does not say what it builds for: {version}"),
    }
}

/// Runs some tests with the sanitizer, shows what they print and returns it.
fn sanitized(
    root: &Path,
    host: &str,
    package: &str,
    target: &[&str],
    filter: &str,
) -> Result<String> {
    let mut command = Command::new("rustup");
    command
        .current_dir(root)
        .env("RUSTFLAGS", "-Zsanitizer=thread")
        .env("CARGO_TARGET_DIR", root.join("target/sanitize"))
        // Set by the cargo that runs us; they name the wrong toolchain.
        .env_remove("RUSTUP_TOOLCHAIN")
        .env_remove("CARGO")
        .env_remove("RUSTC")
        .args(["run", "nightly", "cargo", "test", "-Zbuild-std"])
        .args(["--locked", "--target", host, "--package", package])
        .args(target)
        .arg(filter);
    let (text, success) = cargo::shown(&mut command)?;
    ensure!(success, "{package}: a test failed, or raced");
    // A process that raced fails at its end; a child of a test may have been anybody's.
    ensure!(
        !text.contains("WARNING: ThreadSanitizer"),
        "{package}: the sanitizer complained"
    );
    Ok(text)
}

/// How many tests passed, as libtest says.
fn passed_in(text: &str) -> u64 {
    text.lines()
        .filter_map(|line| line.strip_prefix("test result: ok. "))
        .filter_map(|rest| rest.split(' ').next()?.parse::<u64>().ok())
        .sum()
}

#[cfg(test)]
mod tests;
