//! `bus fork`: a thread's beginning as a new thread.

use std::process::ExitCode;

use anyhow::{Context, bail};
use bus_log::{Bounds, Entry, Expect, GraphEvent, LogErrorKind, ThreadKey, Utc};
use clap::Args;
use serde::Serialize;

use super::pages::Pages;
use crate::cli::OutputArgs;
use crate::logs::Logs;
use crate::output::Out;
use crate::output::text::counted;

const EXAMPLES: &str = "\
Examples:
  bus fork THREAD --at 120 --into what-if
  bus show what-if

The copies keep their ordinals, times and bytes. The parent gets an audit.branch_created event.
Keys of --json: thread, into, at, events (copied ones).";

/// Arguments of `bus fork`.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct ForkArgs {
    /// The parent
    thread: String,
    /// The last ordinal that both threads share
    #[arg(long, value_name = "N")]
    at: u64,
    /// The new thread, which must not exist
    #[arg(long, value_name = "NEW")]
    into: String,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

#[derive(Serialize)]
struct ForkLine<'a> {
    thread: &'a str,
    into: &'a str,
    at: u64,
    events: u64,
}

/// Copies the events up to `--at` into the new thread, then marks the place in the parent.
pub(crate) async fn run(logs: &Logs, args: &ForkArgs, out: &mut Out) -> anyhow::Result<ExitCode> {
    let (parent, bounds) = logs.known(&args.thread).await?;
    let child = logs.key(&args.into)?;
    check(&bounds, args.at)?;
    if logs.log.bounds(&child).await?.is_known() {
        bail!("thread {:?} exists already", args.into);
    }
    let copied = copy(logs, &parent, &child, &bounds, args.at).await?;
    let branch = GraphEvent::BranchCreated {
        branch_id: args.into.clone(),
        parent_event: usize::try_from(args.at - 1)?,
        timestamp: Utc::now(),
    };
    let marked = logs.log.append(&parent, &[branch.into()]).await;
    marked.with_context(|| {
        format!(
            "{:?} is copied, but its parent {:?} is not marked",
            args.into, args.thread
        )
    })?;

    if out.is_json() {
        out.json(&ForkLine {
            thread: &args.thread,
            into: &args.into,
            at: args.at,
            events: copied,
        })?;
    } else {
        let events = counted(copied, "event");
        out.line(format_args!(
            "{events} of {:?} copied into {:?}",
            args.thread, args.into
        ))?;
    }
    out.flush()?;
    Ok(ExitCode::SUCCESS)
}

/// Checks that the last shared ordinal can be read.
fn check(bounds: &Bounds, at: u64) -> anyhow::Result<()> {
    if bounds.readable() == 0 {
        bail!("thread has no readable events");
    }
    if !(bounds.first..=bounds.last).contains(&at) {
        bail!(
            "ordinal {at} can't be forked at, only {} to {}",
            bounds.first,
            bounds.last
        );
    }
    Ok(())
}

/// Copies raw events with their times and meta; returns how many.
async fn copy(
    logs: &Logs,
    parent: &ThreadKey,
    child: &ThreadKey,
    bounds: &Bounds,
    at: u64,
) -> anyhow::Result<u64> {
    let mut pages = Pages::new(logs.log.as_ref(), parent, 0, at);
    let mut copied = 0;
    // Ordinals are equal in both threads, so that what is archived in one is in the other.
    let mut expect = match bounds.first {
        1 => Expect::Last(0),
        first => Expect::StartAt(first),
    };
    while let Some(page) = pages.next().await? {
        let entries: Vec<Entry> = page.into_iter().map(Entry::from).collect();
        let appended = logs.log.append_entries(child, expect, &entries).await;
        let last = match appended {
            Err(error) if error.kind() == LogErrorKind::Conflict => {
                return Err(error).context("another program writes to the new thread");
            }
            other => other.with_context(|| format!("can't copy after {copied} events"))?,
        };
        copied += entries.len() as u64;
        expect = Expect::Last(last);
    }
    Ok(copied)
}
