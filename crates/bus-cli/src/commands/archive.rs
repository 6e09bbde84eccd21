//! `bus archive`: hide a thread's oldest events.

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
  bus archive THREAD --before 1000      hides 1 to 1000; the first is now 1001

Hidden for good: ordinals go on as before, and nothing brings the events back. A
number past the end hides all. Keys of --json: thread, hidden (newly), first and
last (ordinals).";

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
    let (key, bounds) = logs.known(&args.thread).await?;
    // Nobody can look for damage in what is hidden.
    let until = args.before.min(bounds.last);
    let mut pages = Pages::new(logs.log.as_ref(), &key, bounds.watermark, until);
    loop {
        match pages.next().await {
            Ok(Some(_)) => {}
            Ok(None) => break,
            Err(error) if error.kind() == LogErrorKind::Corrupt => {
                diagnostics::note(format_args!("what is hidden now was damaged: {error}"));
                break;
            }
            Err(error) => return Err(error.into()),
        }
    }
    let hidden = logs.log.archive_before(&key, args.before).await;
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
        out.line(format_args!("{events} newly hidden; {first}"))?;
    }
    out.flush()?;
    Ok(ExitCode::SUCCESS)
}
