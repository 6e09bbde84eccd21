//! The door to every chore of this repository: `cargo xtask VERB`.
//!
//! `test` is what a change must pass, `tidy` holds the house rules, `lint` the tools' opinions;
//! `conformance` shows the laws against the logs, `crash` the embedded one against faults, `faults` those
//! on servers, `loom` the models of what threads do to each other, `sanitize` tests of the same under
//! ThreadSanitizer, `fuzz` every reader against hostile bytes, `api` what the libraries promise, `bench` how fast they are beside their peers; `services`
//! starts the servers that tests need. This crate depends on no bus crate: it must run, and say what is
//! wrong, when they do not compile.

mod api;
mod bench;
mod cargo;
mod conformance;
mod crash;
mod evidence;
mod faults;
mod fuzz;
mod lint;
mod loom;
mod sanitize;
mod services;
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
    /// Run every test, doc test and example, then `tidy`, and show laws × logs
    Test {
        /// Only build the tests and examples
        #[arg(long)]
        no_run: bool,
    },
    /// Check the house rules
    Tidy,
    /// Check formatting, clippy, rustdoc, and the dependencies' licences and sources
    Lint,
    /// Run the laws of a session log and show laws × logs
    Conformance {
        /// Only this log: `memory`, `file`, `postgres`, `redis`, `nats`, or a crate's name
        log: Option<String>,
    },
    /// Try what can go wrong with the embedded log, on a simulated disk
    Crash {
        /// What `bus-crash --help` tells: `--ci`, `--gate`, `--seed N`, `--only PATTERN`, `--point N`, `--at-most SECONDS`, and
        /// `--markdown FILE`, which writes the counts into their block of a page
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<String>,
    },
    /// Do their worst to the servers under logs: kill, pause, cut; the gate does less of the same
    Faults {
        /// How often each server is killed, paused, or robbed of its backends
        #[arg(long, default_value_t = 100)]
        rounds: u32,
        /// Only the tests of this crate
        #[arg(long, value_name = "CRATE")]
        only: Option<String>,
        /// Write the counts into their block of this page
        #[arg(long, value_name = "FILE")]
        markdown: Option<PathBuf>,
    },
    /// Run the models of what threads do to each other through every order of their steps
    Loom {
        /// Write the counts into their block of this page
        #[arg(long, value_name = "FILE")]
        markdown: Option<PathBuf>,
    },
    /// Run tests in which threads meet under ThreadSanitizer; needs a nightly toolchain with `rust-src`
    Sanitize {
        /// Write the counts into their block of this page
        #[arg(long, value_name = "FILE")]
        markdown: Option<PathBuf>,
    },
    /// Start and stop the private servers that tests need
    Services {
        #[command(subcommand)]
        services: services::Services,
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
    /// Measure us beside our peers: `--quick`, `--only PATTERN`, `--smoke`, … (`bench --help` for all)
    #[command(disable_help_flag = true)]
    Bench {
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Run every fuzz target from its seeds, on a stable toolchain
    Fuzz {
        /// How long each target runs, in seconds
        #[arg(long, default_value_t = 30)]
        seconds: u32,
        /// Write the counts into their block of this page
        #[arg(long, value_name = "FILE")]
        markdown: Option<PathBuf>,
        /// Only the targets whose name holds this
        target: Option<String>,
    },
}

fn main() -> ExitCode {
    if let Some(outcome) = api::as_rustdoc() {
        return match outcome {
            Ok(false) => ExitCode::FAILURE,
            outcome => finish(outcome.map(drop)),
        };
    }
    let root = root();
    let outcome = match Cli::parse().verb {
        Verb::Test { no_run: true } => test::build(&root).map(drop),
        Verb::Test { no_run: false } => test::run(&root),
        Verb::Tidy => tidy::run(&root),
        Verb::Lint => lint::run(&root),
        Verb::Conformance { log } => conformance::run(&root, log.as_deref()),
        Verb::Crash { args } => crash::run(&root, &args),
        Verb::Faults {
            rounds,
            only,
            markdown,
        } => faults::run(&root, rounds, only.as_deref(), markdown.as_deref()),
        Verb::Loom { markdown } => loom::run(&root, markdown.as_deref()),
        Verb::Sanitize { markdown } => sanitize::run(&root, markdown.as_deref()),
        Verb::Services { services } => services::run(&root, services),
        Verb::Api { bless, print } => api::run(&root, bless, &print),
        Verb::Bench { arguments } => bench::run(&root, &arguments),
        Verb::Fuzz {
            seconds,
            markdown,
            target,
        } => fuzz::run(&root, seconds, target.as_deref(), markdown.as_deref()),
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
