//! What the program can be told.

use std::process::ExitCode;

use anyhow::Context;
use clap::{Args, Parser, Subcommand};

use crate::commands::{
    archive, copy, demo, erase, fork, import, ls, record, show, stats, tail, verify,
};
use crate::logs::LogArgs;
use crate::output::Out;

const EXAMPLES: &str = "\
Examples:
  bus demo                              see what it does, in a log of its own
  bus import ~/.codex/sessions ~/.claude/projects
  bus ls                                the threads of the log
  bus show THREAD | less                one of them, as a timeline
  bus stats --json | jq .prompt_tokens  what they cost
  bus verify                            whether all of it is intact
  bus copy --to /mnt/backup/bus         all of it, into another log

The log is --log URL, or else BUS_LOG, or else the folder `bus` in the
platform's data folder. `bus help COMMAND` has examples of each command.

Exit status: 0 success; 1 failure or damage found; 2 usage error; 130/143
interrupted.";

/// Record, import, show and check the sessions of AI agents.
#[derive(Parser)]
#[command(name = "bus", version, after_help = EXAMPLES, arg_required_else_help = true)]
pub(crate) struct Cli {
    #[command(flatten)]
    log: LogArgs,
    #[command(subcommand)]
    command: Command,
}

/// Whether people or programs read the output.
#[derive(Args, Clone, Copy)]
pub(crate) struct OutputArgs {
    /// Write one JSON object a line
    #[arg(long)]
    json: bool,
}

impl OutputArgs {
    /// For people.
    pub(crate) const PEOPLE: Self = Self { json: false };
}

#[derive(Subcommand)]
enum Command {
    /// Read transcripts of Codex and Claude Code into the log
    Import(import::ImportArgs),
    /// Write events from standard input, one JSON object a line, into the log
    Record(record::RecordArgs),
    /// List the threads
    Ls(ls::LsArgs),
    /// Show a thread's events
    Show(show::ShowArgs),
    /// Show a thread's last events, and those to come
    Tail(tail::TailArgs),
    /// Count tokens, messages, tool calls and time
    Stats(stats::StatsArgs),
    /// Read every event and check ordinals; in a file log also every checksum
    Verify(verify::VerifyArgs),
    /// Copy threads into another log, byte by byte
    Copy(copy::CopyArgs),
    /// Copy a thread's beginning into a new thread
    Fork(fork::ForkArgs),
    /// Delete a thread's oldest events for good (copy them first with `bus copy`)
    Archive(archive::ArchiveArgs),
    /// Destroy all events of a thread
    Erase(erase::EraseArgs),
    /// Try it: record a sample session into a temporary log
    Demo(demo::DemoArgs),
}

/// A usage error that does not propose to destroy something to who has mistyped something else.
pub(crate) fn without_dangerous_tip(mut error: clap::Error) -> clap::Error {
    use clap::error::{ContextKind, ContextValue};
    let dangerous = |tip: &str| matches!(tip, "erase" | "archive");
    let proposes = match error.get(ContextKind::SuggestedSubcommand) {
        Some(ContextValue::String(tip)) => dangerous(tip),
        Some(ContextValue::Strings(tips)) => tips.iter().any(|tip| dangerous(tip)),
        _ => false,
    };
    if proposes {
        error.remove(ContextKind::SuggestedSubcommand);
        // It holds the tip in words.
        error.remove(ContextKind::Suggested);
    }
    error
}

/// Runs one command to its end.
pub(crate) fn run(cli: Cli) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .context("can't start the runtime")?;
    let code = runtime.block_on(dispatch(&cli.log, cli.command));
    // A thread that still waits for standard input must not keep the program.
    runtime.shutdown_background();
    code
}

async fn dispatch(log: &LogArgs, command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Import(args) => {
            let mut out = Out::stdout(args.output.json);
            import::run(&log.writable().await?, &args, &mut out).await
        }
        Command::Record(args) => record::run(&log.writable().await?, &args).await,
        Command::Ls(args) => {
            let mut out = Out::stdout(args.output.json);
            ls::run(&log.readable().await?, args.size, &mut out).await
        }
        Command::Show(args) => {
            let mut out = Out::stdout(args.output.json);
            show::run(&log.readable().await?, &args, &mut out).await
        }
        Command::Tail(args) => {
            let mut out = Out::stdout(args.output.json);
            tail::run(&log.readable().await?, &args, &mut out).await
        }
        Command::Stats(args) => {
            let mut out = Out::stdout(args.output.json);
            stats::run(&log.readable().await?, &args, &mut out).await
        }
        Command::Verify(args) => {
            let mut out = Out::stdout(args.output.json);
            match &args.against {
                None => {
                    let logs = log.readable().await?;
                    verify::run(&logs, log.chosen_tenant()?, args.how(), &mut out).await
                }
                Some(url) => {
                    let here = log.there().await?;
                    let there = log.of("--against", url).there().await?;
                    verify::against(&here, &there, log.chosen_tenant()?, &mut out).await
                }
            }
        }
        Command::Copy(args) => {
            let mut out = Out::stdout(args.output.json);
            copy::run(log, &args, &mut out).await
        }
        Command::Fork(args) => {
            let mut out = Out::stdout(args.output.json);
            fork::run(&log.existing().await?, &args, &mut out).await
        }
        Command::Archive(args) => {
            let mut out = Out::stdout(args.output.json);
            archive::run(&log.existing().await?, &args, &mut out).await
        }
        Command::Erase(args) => {
            let mut out = Out::stdout(args.output.json);
            erase::run(&log.existing().await?, &args, &mut out).await
        }
        Command::Demo(_) => demo::run(log, &mut Out::stdout(false)).await,
    }
}
