//! `bus archive`: hide a thread's oldest events.

use std::process::ExitCode;

use clap::Args;
use serde::Serialize;

use crate::cli::OutputArgs;
use crate::logs::Logs;
use crate::output::Out;
use crate::output::text::{count, counted};

const EXAMPLES: &str = "\
Examples:
  bus archive THREAD --before 1000      ordinals 1 to 1000 are hidden; the first is now 1001

Hidden for good: ordinals go on as before, and nothing brings the events back. A number past the end
hides all. Keys of --json: thread, hidden (newly), first and last (ordinals).";

/// Arguments of `bus archive`.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct ArchiveArgs {
    /// The thread, as `bus ls` names it
    thread: String,
    /// Hide the ordinals up to this one, it included: the archival watermark, as everywhere
    #[arg(long, value_name = "N")]
    before: u64,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

#[derive(Serialize)]
struct ArchiveLine<'a> {
    thread: &'a str,
    hidden: usize,
    first: u64,
    last: u64,
}

/// Hides the ordinals up to `--before`, which means what `archive_before` means.
pub(crate) async fn run(
    logs: &Logs,
    args: &ArchiveArgs,
    out: &mut Out,
) -> anyhow::Result<ExitCode> {
    let (key, _) = logs.known(&args.thread).await?;
    let hidden = logs.log.archive_before(&key, args.before).await?;
    let bounds = logs.log.bounds(&key).await?;
    if out.is_json() {
        out.json(&ArchiveLine {
            thread: &args.thread,
            hidden,
            first: bounds.first,
            last: bounds.last,
        })?;
    } else {
        let events = counted(hidden as u64, "event");
        let first = match bounds.readable() {
            0 => "nothing is readable any more".to_owned(),
            _ => format!("the first readable ordinal is {}", count(bounds.first)),
        };
        out.line(format_args!("{events} newly hidden; {first}"))?;
    }
    out.flush()?;
    Ok(ExitCode::SUCCESS)
}
