//! `bus fork`: a thread's beginning as a new thread.

use std::process::ExitCode;

use anyhow::{Context, bail};
use bus_log::{Bounds, Entry, Event, Expect, GraphEvent, LogErrorKind, ThreadKey, Utc};
use clap::Args;
use serde::Serialize;

use crate::cli::OutputArgs;
use crate::logs::Logs;
use crate::output::Out;
use crate::output::json::typed;
use crate::output::text::counted;
use crate::pages::Pages;

const EXAMPLES: &str = "\
Examples:
  bus fork THREAD --at 120 --into what-if
  bus show what-if

The copies keep their ordinals, times and bytes. The parent gets an
audit.branch_created event first; so it must be free to be written. A fork that
was cut short is finished by the same command. Keys of --json: thread, into, at,
events (copied ones).";

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

/// Marks the place in the parent, then copies the events up to `--at` into the new thread. The mark comes
/// first: a parent that can't be written leaves no child behind, and a copy that was cut short is known
/// by its mark and finished by the same command.
pub(crate) async fn run(logs: &Logs, args: &ForkArgs, out: &mut Out) -> anyhow::Result<ExitCode> {
    let (parent, bounds) = logs.known(&args.thread).await?;
    let child = logs.key(&args.into)?;
    check(&bounds, args.at)?;
    let there = logs.log.bounds(&child).await?;
    let marked = is_marked(logs, &parent, &bounds, args).await?;
    if there.is_known() && !(marked && is_begun(logs, &parent, &child, &there, args.at).await?) {
        bail!("thread {:?} exists already", args.into);
    }
    if !marked {
        let branch = GraphEvent::BranchCreated {
            branch_id: args.into.clone(),
            parent_event: usize::try_from(args.at - 1)?,
            timestamp: Utc::now(),
        };
        let marked = logs.log.append(&parent, &[branch.into()]).await;
        marked.with_context(|| format!("can't mark {:?}; nothing was copied", args.thread))?;
    }
    let copied = copy(logs, &parent, &child, &bounds, there.last, args.at).await;
    let copied = copied.with_context(|| {
        format!(
            "{:?} is not complete; run the same command to finish it, while {:?} can still be read from there",
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
            "can't fork at ordinal {at}: readable ordinals are {} to {}",
            bounds.first,
            bounds.last
        );
    }
    Ok(())
}

/// True if the parent has the mark of this fork.
async fn is_marked(
    logs: &Logs,
    parent: &ThreadKey,
    bounds: &Bounds,
    args: &ForkArgs,
) -> anyhow::Result<bool> {
    let mut pages = Pages::new(logs.log.as_ref(), parent, args.at, bounds.last);
    while let Some(page) = pages.next().await? {
        for event in page {
            if event.event.event_type() == "audit.branch_created"
                && let Event::Audit(GraphEvent::BranchCreated {
                    branch_id,
                    parent_event,
                    ..
                }) = typed(&event.event)?
                && branch_id == args.into
                && parent_event as u64 == args.at - 1
            {
                return Ok(true);
            }
        }
    }
    Ok(false)
}

/// True if the child holds what a fork that was cut short has copied, and nothing else.
async fn is_begun(
    logs: &Logs,
    parent: &ThreadKey,
    child: &ThreadKey,
    there: &Bounds,
    at: u64,
) -> anyhow::Result<bool> {
    if there.last >= at {
        return Ok(false);
    }
    let mut copies = Pages::new(logs.log.as_ref(), child, 0, there.last);
    while let Some(copies) = copies.next().await? {
        let Some(first) = copies.first() else { break };
        let read = logs.log.read_raw(parent, first.ordinal - 1, copies.len());
        if read.await?.events != copies {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Copies raw events after `cursor` with their times and meta; returns how many.
async fn copy(
    logs: &Logs,
    parent: &ThreadKey,
    child: &ThreadKey,
    bounds: &Bounds,
    cursor: u64,
    at: u64,
) -> anyhow::Result<u64> {
    let mut pages = Pages::new(logs.log.as_ref(), parent, cursor, at);
    let mut copied = 0;
    // Ordinals are equal in both threads, so that what is archived in one is in the other.
    let mut expect = match (cursor, bounds.first) {
        (0, 2..) => Expect::StartAt(bounds.first),
        (last, _) => Expect::Last(last),
    };
    let mut next = match cursor {
        0 => bounds.first,
        last => last + 1,
    };
    while let Some(page) = pages.next().await? {
        for event in &page {
            // The events would get other ordinals than they have in the parent.
            if event.ordinal != next {
                bail!("archived meanwhile: ordinal {next} can't be read any more");
            }
            next += 1;
        }
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
    if next <= at {
        bail!("archived meanwhile: ordinal {next} can't be read any more");
    }
    Ok(copied)
}
