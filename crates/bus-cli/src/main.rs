//! The program `bus`: record, import, show and check agent sessions.

mod cli;
mod commands;
mod logs;
mod output;
mod pages;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    // Clap ends the program itself: 0 after help, 2 after a usage error.
    let cli =
        cli::Cli::try_parse().unwrap_or_else(|error| cli::without_dangerous_tip(error).exit());
    output::diagnostics::init();
    match cli::run(cli) {
        Ok(code) => code,
        Err(error) if output::is_closed_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            output::diagnostics::report(&error);
            ExitCode::FAILURE
        }
    }
}
