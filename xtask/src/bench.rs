//! `cargo xtask bench`: us beside our peers, by `crates/bus-bench`.
//!
//! That crate is a workspace of its own, which no other chore reaches: so that it can't rot, `--smoke`
//! checks its format, lints and tests too before it runs every row with tiny counts.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::cargo;

pub(crate) const MANIFEST: &str = "crates/bus-bench/Cargo.toml";
const SMOKE: &str = "--smoke";

/// Builds the program and runs it with these arguments, which it explains itself with `--help`.
pub(crate) fn run(root: &Path, arguments: &[String]) -> Result<()> {
    let smoke = arguments.iter().any(|argument| argument == SMOKE);
    // A smoke run judges nothing: it is built as fast as can be, with assertions on.
    let (profile, folder): (&[&str], _) = match smoke {
        true => (&["--locked"], "debug"),
        false => (&["--locked", "--release"], "release"),
    };
    if smoke {
        cargo::run(on(root, &["fmt"]).args(["--", "--check"]))?;
        cargo::run(
            on(root, &["clippy", "--all-targets"])
                .args(profile)
                .args(["--", "-Dwarnings"]),
        )?;
        cargo::run(on(root, &["test"]).args(profile))?;
    }
    cargo::run(on(root, &["build"]).args(profile))?;
    let program = root
        .join("crates/bus-bench/target")
        .join(folder)
        .join(format!("bus-bench{}", std::env::consts::EXE_SUFFIX));
    // Not by `cargo run`: cargo would wait beside it, and hold its lock on the folder of the build.
    let mut command = Command::new(program);
    command.args(arguments).current_dir(root);
    if let Some(cargo) = std::env::var_os("CARGO") {
        // For the rows that measure builds.
        command.env("CARGO", cargo);
    }
    let line = cargo::typed(&command);
    let status = command
        .status()
        .with_context(|| format!("could not start `{line}`"))?;
    ensure!(status.success(), "`{line}` failed: {status}");
    Ok(())
}

/// A verb of cargo's on the benchmarks alone. Their build folder is their own, whatever the
/// environment says of others.
fn on(root: &Path, verb: &[&str]) -> Command {
    let mut command = cargo::cargo(root);
    command
        .env_remove("CARGO_TARGET_DIR")
        .args(verb)
        .args(["--manifest-path", MANIFEST]);
    command
}
