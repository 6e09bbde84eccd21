//! `bus erase`: destroy all events of a thread.

use std::process::ExitCode;

use clap::Args;
use serde::Serialize;

use crate::cli::OutputArgs;
use crate::logs::{Logs, wants_room};
use crate::output::text::counted;
use crate::output::{Out, diagnostics};

const EXAMPLES: &str = "\
Examples:
  bus erase THREAD --yes

Nothing brings the events back. The thread stays known as erased, and what is
written to it later gets the ordinals after those erased. Keys of --json:
thread, erased (readable events destroyed).";

/// Arguments of `bus erase`.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct EraseArgs {
    /// The thread, as `bus ls` names it
    thread: String,
    /// Confirm; without it nothing is erased
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

#[derive(Serialize)]
struct EraseLine<'a> {
    thread: &'a str,
    erased: u64,
}

/// Erases the thread if `--yes` was said.
pub(crate) async fn run(logs: &Logs, args: &EraseArgs, out: &mut Out) -> anyhow::Result<ExitCode> {
    let (key, bounds) = logs.known(&args.thread).await?;
    let events = counted(bounds.readable(), "event");
    if !args.yes {
        diagnostics::report(&anyhow::anyhow!(
            "this destroys {events} of {:?} for good; to do it, add --yes",
            args.thread
        ));
        return Ok(ExitCode::from(2));
    }
    logs.log.erase(&key).await.map_err(wants_room)?;
    if out.is_json() {
        out.json(&EraseLine {
            thread: &args.thread,
            erased: bounds.readable(),
        })?;
    } else {
        out.line(format_args!("{events} of {:?} erased", args.thread))?;
    }
    out.flush()?;
    Ok(ExitCode::SUCCESS)
}
