//! `bus tail`: a thread's last events, and those to come.

use std::pin::pin;
use std::process::ExitCode;
use std::sync::Arc;

use bus_log::{LogErrorKind, follow_raw};
use clap::Args;
use futures_util::{FutureExt, StreamExt};

use super::show::Printer;
use crate::cli::OutputArgs;
use crate::logs::Logs;
use crate::output::{Out, diagnostics, reader_gone};
use crate::pages::Pages;

const EXAMPLES: &str = "\
Examples:
  bus tail THREAD
  bus tail THREAD -n 100 --json
  bus tail THREAD -f                    until interrupted

Keys of --json: as those of `bus show`.";

/// Arguments of `bus tail`.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct TailArgs {
    /// The thread, as `bus ls` names it
    thread: String,
    /// Show this many of the last events
    #[arg(short = 'n', long = "events", value_name = "N", default_value_t = 10)]
    events: u64,
    /// Go on with events as they are written
    #[arg(short, long)]
    follow: bool,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

/// Shows the last events and, with `--follow`, those that come.
pub(crate) async fn run(logs: &Logs, args: &TailArgs, out: &mut Out) -> anyhow::Result<ExitCode> {
    let (key, bounds) = logs.known(&args.thread).await?;
    let mut printer = Printer::new(bounds.last, false);
    let cursor = bounds.last.saturating_sub(args.events);
    let mut pages = Pages::new(logs.log.as_ref(), &key, cursor, bounds.last);
    while let Some(page) = pages.next().await? {
        for event in &page {
            printer.event(out, event)?;
        }
    }
    printer.pause(out)?;
    out.flush()?;
    if !args.follow {
        return Ok(ExitCode::SUCCESS);
    }

    let mut events = pin!(follow_raw(Arc::clone(&logs.log), key, bounds.last));
    let mut gone = pin!(reader_gone());
    loop {
        // What is there already is written in one piece.
        let next = match events.next().now_or_never() {
            Some(next) => next,
            None => {
                printer.pause(out)?;
                out.flush()?;
                tokio::select! {
                    next = events.next() => next,
                    error = &mut gone => return Err(error),
                }
            }
        };
        match next {
            Some(Ok(event)) => printer.event(out, &event)?,
            Some(Err(error)) if may_pass(error.kind()) => {
                diagnostics::note(format_args!("still following: {error}"));
            }
            Some(Err(error)) => return Err(error.into()),
            None => return Ok(ExitCode::SUCCESS),
        }
    }
}

/// True for errors after which `follow` goes on.
const fn may_pass(kind: LogErrorKind) -> bool {
    matches!(kind, LogErrorKind::Unavailable | LogErrorKind::Busy)
}
