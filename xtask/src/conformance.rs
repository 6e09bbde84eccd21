//! `cargo xtask conformance`: the laws of a session log, run on every log, as a table.
//!
//! The tests are the ones that `cargo xtask test` runs too: one per law and log, made by the macro
//! of `bus-testkit`, named `laws::LOG::a1_…`. Here they are run alone and their output is read; that one
//! shows the table too, at its end. A law that no test names fails the run: silence proves nothing.

mod report;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};

use crate::cargo::{self, Metadata, Package};
use crate::services::Lent;
use crate::test::Ran;
use report::{Report, of_laws};

const KIT: &str = "bus-testkit";

/// The integration tests of each crate, and the laws among them.
const TESTS: &str = "it";

/// Logs that need a server, which `services` has.
pub(crate) const ON_SERVERS: &[&str] = &["bus-log-nats", "bus-log-postgres", "bus-log-redis"];

pub(crate) fn run(root: &Path, log: Option<&str>) -> Result<()> {
    // What nobody names means all of them; a word for it is easier to type than nothing.
    let log = log.filter(|log| *log != "all");
    let metadata = Metadata::of(root)?;
    let logs = chosen(&metadata, log)?;
    let mut report = Report::default();
    let mut failed = BTreeSet::new();
    let on_server = |package: &&Package| ON_SERVERS.contains(&package.name.as_str());
    let services = match logs.iter().copied().find(on_server) {
        Some(_) => Some(Lent::new(root)?),
        None => None,
    };
    for package in &logs {
        let (text, success) = law_tests(root, package, services.as_ref())?;
        report.read(&package.name, short(&package.name), &text);
        if !success {
            failed.insert(package.name.as_str());
        }
    }
    if log.is_none() {
        let (text, success) =
            cargo::shown(cargo::cargo(root).args(["test", "--locked", "--package", KIT]))?;
        if !proves(&text, success) {
            failed.insert(KIT);
        }
    }
    judge(&report, &logs, failed)
}

/// The same out of what all tests printed, for `cargo xtask test`: no law runs twice.
pub(crate) fn of(metadata: &Metadata, ran: &[Ran]) -> Result<()> {
    ensure!(!ran.is_empty(), "no test ran");
    let logs = chosen(metadata, None)?;
    let mut report = Report::default();
    let mut failed = BTreeSet::new();
    for package in &logs {
        let tests = ran
            .iter()
            .find(|ran| ran.package == package.name && ran.target == TESTS);
        match tests {
            Some(ran) => report.read(&package.name, short(&package.name), &of_laws(&ran.text)),
            None => eprintln!("{}: its tests did not run", package.name),
        }
        if report.fails(&package.name) {
            failed.insert(package.name.as_str());
        }
    }
    let kit: Vec<&Ran> = ran.iter().filter(|ran| ran.package == KIT).collect();
    let text: String = kit.iter().map(|ran| ran.text.as_str()).collect();
    if !proves(&text, kit.iter().all(|ran| ran.fault.is_none())) {
        failed.insert(KIT);
    }
    judge(&report, &logs, failed)
}

/// Whether the kit's own tests passed. Laws that nothing can break would prove nothing: the kit tries each on a broken log.
fn proves(text: &str, success: bool) -> bool {
    let passed = report::passed(text) > 0;
    if !passed {
        eprintln!("{KIT}: no test of its own passed, and so nothing shows that a law can fail");
    }
    success && passed
}

/// Shows the table; an error that names the logs that failed, and those of which a law was not seen.
fn judge<'a>(report: &Report, logs: &[&'a Package], mut failed: BTreeSet<&'a str>) -> Result<()> {
    println!("\n{report}");
    for package in logs {
        let unseen = report.unseen(&package.name);
        if !unseen.is_empty() {
            eprintln!("{}: no test of law {}", package.name, unseen.join(", "));
            failed.insert(&package.name);
        }
    }
    if !failed.is_empty() {
        let failed: Vec<&str> = failed.into_iter().collect();
        bail!("failed: {}", failed.join(", "));
    }
    println!("every law holds on every log, but for the skips named above");
    Ok(())
}

/// `bus-log` (its reference is in memory) and the backends, or the one that was asked for.
fn chosen<'a>(metadata: &'a Metadata, log: Option<&str>) -> Result<Vec<&'a Package>> {
    let logs: Vec<&Package> = metadata
        .members()
        .filter(|package| is_log(&package.name))
        .collect();
    let Some(log) = log else {
        ensure!(!logs.is_empty(), "the workspace has no log");
        return Ok(logs);
    };
    let known: Vec<&str> = logs.iter().map(|package| short(&package.name)).collect();
    let found = logs
        .iter()
        .find(|package| package.name == log || short(&package.name) == log);
    found
        .map(|package| vec![*package])
        .with_context(|| format!("no such log: {log} (there are {})", known.join(", ")))
}

fn is_log(name: &str) -> bool {
    name == "bus-log" || name.starts_with("bus-log-")
}

/// What a log is called on the command line.
fn short(package: &str) -> &str {
    match package {
        "bus-log" => "memory",
        _ => package.strip_prefix("bus-log-").unwrap_or(package),
    }
}

/// The output of a log's law tests, also shown as it is; and whether they passed.
fn law_tests(root: &Path, package: &Package, services: Option<&Lent>) -> Result<(String, bool)> {
    if !package
        .targets_of("test")
        .any(|target| target.name == TESTS)
    {
        eprintln!(
            "{}: no tests/it/main.rs, and so no law is tested",
            package.name
        );
        return Ok((String::new(), false));
    }
    let mut command = cargo::cargo(root);
    if let Some(services) = services {
        services.tell(&mut command);
    }
    // Captured output is printed after the results, test by test, so that lines never mix.
    command.args([
        "test",
        "--locked",
        "--package",
        &package.name,
        "--test",
        TESTS,
        "laws",
        "--",
        "--show-output",
    ]);
    cargo::shown(&mut command)
}
