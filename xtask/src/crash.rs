//! `cargo xtask crash`: what can go wrong with the embedded log, tried on a simulated disk.
//!
//! The work is done by `bus-crash`, built in release and run from here; its exit code is ours.

use std::path::Path;

use anyhow::Result;

use crate::cargo;

pub(crate) fn run(root: &Path, args: &[String]) -> Result<()> {
    let mut command = cargo::cargo(root);
    command.args([
        "run",
        "--release",
        "--locked",
        "--package",
        "bus-crash",
        "--",
    ]);
    cargo::run(command.args(args))
}
