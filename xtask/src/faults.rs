//! `cargo xtask faults`: the tests that do their worst to servers, more often than `cargo xtask test` does.

use std::path::Path;

use anyhow::Result;

use crate::cargo;
use crate::conformance::ON_SERVERS;
use crate::services::Lent;

pub(crate) fn run(root: &Path, rounds: u32) -> Result<()> {
    let services = Lent::new(root)?;
    // The logs on servers, and what ships to them.
    for package in ON_SERVERS.iter().chain(&["bus-open"]) {
        let mut command = cargo::cargo(root);
        // What each has counted is shown.
        command
            .args(["test", "--locked", "--package", package, "--test", "it"])
            .args(["faults", "--", "--show-output"])
            .env("BUS_TEST_ROUNDS", rounds.to_string());
        cargo::run(services.tell(&mut command))?;
    }
    Ok(())
}
