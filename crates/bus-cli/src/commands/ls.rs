//! `bus ls`: the threads of a tenant.

use std::process::ExitCode;

use bus_log::{DateTime, SessionLog, ThreadSummary, Utc};
use clap::Args;
use serde::Serialize;

use crate::cli::OutputArgs;
use crate::logs::Logs;
use crate::output::Out;
use crate::output::table::{Align, Table};
use crate::output::text::{bytes, count, counted, moment, one_line};
use crate::pages::Threads;

const EXAMPLES: &str = "\
Examples:
  bus ls
  bus ls --json | jq -r 'select(.events > 1000).thread'
  bus ls --size                         what each takes, and the whole log
  bus --log /var/lib/bus --tenant acme ls

Keys of --json: thread, events (readable ones), first and last (ordinals; first
is greater than last where nothing is readable), last_at, erased, damaged, and
bytes (what it takes in the log; null if the log does not say). With --size a
last line has what the log takes on the disk in bytes, all tenants together:
total, and of it sessions, journals, other.";

/// Arguments of `bus ls`.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct LsArgs {
    #[command(flatten)]
    pub(crate) output: OutputArgs,
    /// Show what each thread takes, and what the whole log takes on the disk
    #[arg(long)]
    pub(crate) size: bool,
}

#[derive(Serialize)]
struct ThreadLine<'a> {
    thread: &'a str,
    events: u64,
    first: u64,
    last: u64,
    last_at: Option<DateTime<Utc>>,
    erased: bool,
    damaged: bool,
    bytes: Option<u64>,
}

/// What the log takes on the disk, all tenants together.
#[derive(Serialize)]
struct TotalLine {
    total: u64,
    sessions: u64,
    journals: u64,
    other: u64,
}

/// Lists the threads in byte order of their ids.
pub(crate) async fn run(logs: &Logs, size: bool, out: &mut Out) -> anyhow::Result<ExitCode> {
    let log = logs.log.as_ref();
    let (dim, bold) = (out.styles.dim, out.styles.bold);
    let mut table = Table::new(
        dim,
        [
            ("thread", Align::Left),
            ("events", Align::Right),
            ("first", Align::Right),
            ("last", Align::Right),
            ("last at (UTC)", Align::Left),
            // Without sizes the column is as wide as nothing.
            (if size { "size" } else { "" }, Align::Right),
            ("", Align::Left),
        ],
    );
    let (mut listed, mut events) = (0, 0);
    let mut threads = Threads::new(log, &logs.tenant);
    let unnamed = loop {
        let page = match threads.next().await {
            Ok(Some(page)) => page,
            Ok(None) => break None,
            // What can be listed is shown first.
            Err(error) => break Some(error),
        };
        for summary in &page {
            let bounds = summary.bounds;
            let last_at = last_at(log, summary).await;
            listed += 1;
            events += bounds.readable();
            if out.is_json() {
                out.json(&ThreadLine {
                    thread: summary.key.thread_id(),
                    events: bounds.readable(),
                    first: bounds.first,
                    last: bounds.last,
                    last_at,
                    erased: bounds.erased,
                    damaged: summary.damaged,
                    bytes: summary.bytes,
                })?;
                continue;
            }
            let cells = [
                one_line(summary.key.thread_id(), 80),
                count(bounds.readable()),
                count(bounds.first),
                count(bounds.last),
                last_at.map(moment).unwrap_or_default(),
                summary
                    .bytes
                    .filter(|_| size)
                    .map(bytes)
                    .unwrap_or_default(),
                match (summary.damaged, bounds.erased) {
                    (true, _) => "damaged: see bus verify",
                    (false, true) => "erased",
                    (false, false) => "",
                }
                .to_owned(),
            ];
            table.row(if bounds.readable() == 0 { dim } else { bold }, cells);
        }
    };
    if !out.is_json() && (listed > 0 || unnamed.is_none()) {
        if listed == 0 {
            none(logs, out).await?;
        } else {
            table.write(out, "")?;
            let (listed, events) = (counted(listed, "thread"), counted(events, "event"));
            out.line(format_args!(
                "{dim}{listed}, {events} in {}{dim:#}",
                logs.url
            ))?;
        }
    }
    let there = logs.url.path().is_none_or(std::path::Path::exists);
    if size
        && there
        && let Some(usage) = logs.url.usage()?
    {
        let total = usage.sessions + usage.journals + usage.other;
        if out.is_json() {
            out.json(&TotalLine {
                total,
                sessions: usage.sessions,
                journals: usage.journals,
                other: usage.other,
            })?;
        } else {
            out.line(format_args!(
                "{dim}{} on disk for all tenants: sessions {}, journals {}, locks and the like {}{dim:#}",
                bytes(total),
                bytes(usage.sessions),
                bytes(usage.journals),
                bytes(usage.other),
            ))?;
        }
    }
    out.flush()?;
    match unnamed {
        Some(error) => Err(error.into()),
        None => Ok(ExitCode::SUCCESS),
    }
}

/// Says that there is nothing to list, and of which tenants there may be something.
pub(super) async fn none(logs: &Logs, out: &mut Out) -> anyhow::Result<()> {
    let tenant = logs.tenant.as_str();
    let others = logs.other_tenants().await;
    let hint = if others.is_empty() {
        String::new()
    } else {
        format!(" (other tenants: {}; see --tenant)", others.join(", "))
    };
    out.line(format_args!(
        "no threads of tenant {tenant:?} in {}{hint}",
        logs.url
    ))
}

/// The time of the thread's newest readable event. A damaged thread is listed without: what is
/// wrong with it is told by `verify`.
async fn last_at(log: &dyn SessionLog, summary: &ThreadSummary) -> Option<DateTime<Utc>> {
    let bounds = summary.bounds;
    if summary.last_at.is_some() || bounds.readable() == 0 {
        return summary.last_at;
    }
    let page = log.read_raw(&summary.key, bounds.last - 1, 1).await.ok()?;
    page.events.last().map(|event| event.at)
}
