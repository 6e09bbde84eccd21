//! The door to every chore of this repository: `cargo xtask VERB`.
//!
//! `test` is what a change must pass, `tidy` holds the house rules, `lint` the tools' opinions;
//! `conformance` shows the laws against the logs, `api` what the libraries promise. This crate
//! depends on no bus crate: it must run, and say what is wrong, when they do not compile.

mod api;
mod cargo;
mod conformance;
mod lint;
mod test;
mod tidy;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(name = "cargo xtask", about = "The chores of this repository")]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Run every test, doc test and example, then `tidy`
    Test,
    /// Check the house rules
    Tidy,
    /// Check formatting, clippy, rustdoc, and the dependencies' licences and sources
    Lint,
    /// Run the laws of a session log and show laws × logs
    Conformance {
        /// Only this log: `memory`, `file`, or a crate's name
        log: Option<String>,
    },
    /// Compare the public API of the library crates to docs/api/*.txt
    Api {
        /// Write the snapshots instead of comparing
        #[arg(long)]
        bless: bool,
        /// Print the API of these crates and do not compare
        #[arg(long = "print", value_name = "CRATE", conflicts_with = "bless")]
        print: Vec<String>,
    },
}

fn main() -> ExitCode {
    let root = root();
    let outcome = match Cli::parse().verb {
        Verb::Test => test::run(&root),
        Verb::Tidy => tidy::run(&root),
        Verb::Lint => lint::run(&root),
        Verb::Conformance { log } => conformance::run(&root, log.as_deref()),
        Verb::Api { bless, print } => api::run(&root, bless, &print),
    };
    finish(outcome)
}

fn finish(outcome: Result<()>) -> ExitCode {
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// The repository: where this crate's manifest lies, one folder up.
fn root() -> PathBuf {
    // `cargo run` and `cargo test` set the variable afresh, so that a moved checkout is still found.
    let here = std::env::var_os("CARGO_MANIFEST_DIR")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
    here.parent()
        .map_or_else(|| here.clone(), Path::to_path_buf)
}
