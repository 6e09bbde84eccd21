//! `bus archive`: delete a thread's oldest events.

use std::process::ExitCode;

use bus_log::LogErrorKind;
use clap::Args;
use serde::Serialize;

use crate::cli::OutputArgs;
use crate::logs::{Logs, wants_room};
use crate::output::text::{count, counted};
use crate::output::{Out, diagnostics};
use crate::pages::Pages;

const EXAMPLES: &str = "\
Examples:
  bus copy --to /mnt/backup/bus --thread THREAD
  bus archive THREAD --through 1000     deletes 1 to 1000; the first is now 1001

Nothing keeps the events, unless you have copied them, and nothing brings them
back. Ordinals go on as before. A number past the end deletes all. Keys of
--json: thread, hidden (deleted now), first and last (ordinals).";

/// Arguments of `bus archive`.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct ArchiveArgs {
    /// The thread, as `bus ls` names it
    thread: String,
    /// Delete ordinals up to and including N
    #[arg(long, alias = "before", value_name = "N")]
    through: u64,
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

/// Deletes the ordinals up to and including `--through`: the watermark of `archive_before`. `--before`, the option's
/// hidden alias, means the same: "before 1000" sounds as if it kept 1000, and nothing brings 1000 back.
pub(crate) async fn run(
    logs: &Logs,
    args: &ArchiveArgs,
    out: &mut Out,
) -> anyhow::Result<ExitCode> {
    let (key, bounds) = logs.known(&args.thread).await?;
    // Nobody can look for damage in what is gone.
    let until = args.through.min(bounds.last);
    let mut pages = Pages::new(logs.log.as_ref(), &key, bounds.watermark, until);
    loop {
        match pages.next().await {
            Ok(Some(_)) => {}
            Ok(None) => break,
            Err(error) if error.kind() == LogErrorKind::Corrupt => {
                diagnostics::note(format_args!("what is deleted now was damaged: {error}"));
                break;
            }
            Err(error) => return Err(error.into()),
        }
    }
    let hidden = logs.log.archive_before(&key, args.through).await;
    let hidden = hidden.map_err(wants_room)?;
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
        out.line(format_args!("{events} deleted; {first}"))?;
    }
    out.flush()?;
    Ok(ExitCode::SUCCESS)
}
