//! `bus stats`: what threads add up to.

mod breakdown;

use std::process::ExitCode;

use bus_import::Figures;
use bus_log::{DateTime, SessionLog, ThreadKey, Utc};
use clap::Args;
use serde::Serialize;

use super::ls;
use crate::cli::OutputArgs;
use crate::logs::Logs;
use crate::output::Out;
use crate::output::json::typed;
use crate::output::style::PLAIN;
use crate::output::table::{Align, Table};
use crate::output::text::{between, count, counted, duration, moment, one_line};
use crate::pages::{Pages, Threads};
use breakdown::Breakdown;

const EXAMPLES: &str = "\
Examples:
  bus stats THREAD
  bus stats                             all threads of the tenant, and their sum
  bus stats --json | jq -s 'map(.completion_tokens) | add'

Keys of --json: those of `bus import --json`, counted from the log; path is the
name of the transcript that was imported, and null otherwise; appended is 0.";

/// Arguments of `bus stats`.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct StatsArgs {
    /// The threads, as `bus ls` names them [default: all of the tenant]
    threads: Vec<String>,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

/// A thread's figures as `import` and `stats` write them.
#[derive(Serialize)]
pub(crate) struct FiguresLine<'a> {
    format: &'a str,
    thread: &'a str,
    path: Option<&'a str>,
    events: u64,
    appended: u64,
    user_messages: u64,
    assistant_texts: u64,
    tool_calls: u64,
    tool_results: u64,
    tool_errors: u64,
    compactions: u64,
    prompt_tokens: u64,
    completion_tokens: u64,
    first_at: Option<DateTime<Utc>>,
    last_at: Option<DateTime<Utc>>,
    malformed_lines: u64,
    skipped_records: u64,
}

impl<'a> FiguresLine<'a> {
    /// The figures, with where they were read and how many events of them were new.
    pub(crate) fn new(figures: &'a Figures, path: Option<&'a str>, appended: u64) -> Self {
        Self {
            format: &figures.format,
            thread: &figures.thread,
            path,
            events: figures.events,
            appended,
            user_messages: figures.user_messages,
            assistant_texts: figures.assistant_texts,
            tool_calls: figures.tool_calls,
            tool_results: figures.tool_results,
            tool_errors: figures.tool_errors,
            compactions: figures.compactions,
            prompt_tokens: figures.prompt_tokens,
            completion_tokens: figures.completion_tokens,
            first_at: figures.first_at,
            last_at: figures.last_at,
            malformed_lines: figures.malformed_lines,
            skipped_records: figures.skipped_records,
        }
    }
}

/// All there is to say about one thread.
struct Stats {
    figures: Figures,
    breakdown: Breakdown,
    source: Option<String>,
}

/// Adds up the threads asked for, or all.
pub(crate) async fn run(logs: &Logs, args: &StatsArgs, out: &mut Out) -> anyhow::Result<ExitCode> {
    if args.threads.is_empty() {
        all(logs, out).await?;
    }
    for (n, thread) in args.threads.iter().enumerate() {
        let (key, _) = logs.known(thread).await?;
        let stats = read(logs.log.as_ref(), &key).await?;
        if out.is_json() {
            out.json(&FiguresLine::new(
                &stats.figures,
                stats.source.as_deref(),
                0,
            ))?;
        } else {
            if n > 0 {
                out.line("")?;
            }
            thread_for_people(&stats, out)?;
        }
    }
    out.flush()?;
    Ok(ExitCode::SUCCESS)
}

/// Writes what one thread adds up to, for people.
pub(super) async fn show(logs: &Logs, key: &ThreadKey, out: &mut Out) -> anyhow::Result<()> {
    thread_for_people(&read(logs.log.as_ref(), key).await?, out)
}

/// Adds up all readable events of a thread.
async fn read(log: &dyn SessionLog, key: &ThreadKey) -> anyhow::Result<Stats> {
    let bounds = log.bounds(key).await?;
    let mut stats = Stats {
        figures: Figures::new(key.thread_id()),
        breakdown: Breakdown::default(),
        source: None,
    };
    let mut pages = Pages::new(log, key, 0, bounds.last);
    while let Some(page) = pages.next().await? {
        for recorded in page {
            let event = typed(&recorded.event)?;
            stats.figures.add(&recorded.at, &recorded.meta, &event);
            stats.breakdown.add(&event);
            if stats.source.is_none() {
                stats.source = recorded.meta.source().map(|source| source.file);
            }
        }
    }
    Ok(stats)
}

/// Every thread of the tenant: a line each, and for people their sum.
async fn all(logs: &Logs, out: &mut Out) -> anyhow::Result<()> {
    let log = logs.log.as_ref();
    let mut table = Table::new(
        out.styles.dim,
        [
            ("thread", Align::Left),
            ("events", Align::Right),
            ("user", Align::Right),
            ("answers", Align::Right),
            ("calls", Align::Right),
            ("failed", Align::Right),
            ("tokens in", Align::Right),
            ("tokens out", Align::Right),
        ],
    );
    let mut sum = Figures::new("sum");
    let mut breakdown = Breakdown::default();
    let mut listed = 0;
    let mut threads = Threads::new(log, &logs.tenant);
    let mut damaged = None;
    loop {
        let page = match threads.next().await {
            Ok(Some(page)) => page,
            Ok(None) => break,
            Err(error) => {
                damaged = damaged.or(Some(error.into()));
                break;
            }
        };
        for summary in &page {
            let stats = match read(log, &summary.key).await {
                Ok(stats) => stats,
                // The others are counted all the same.
                Err(error) => {
                    damaged = damaged.or(Some(error));
                    continue;
                }
            };
            if out.is_json() {
                out.json(&FiguresLine::new(
                    &stats.figures,
                    stats.source.as_deref(),
                    0,
                ))?;
                continue;
            }
            listed += 1;
            table.row(out.styles.bold, cells(&stats.figures));
            add(&mut sum, &stats.figures);
            breakdown.merge(stats.breakdown);
        }
    }
    if !out.is_json() && listed > 0 {
        table.row(out.styles.dim, cells(&sum));
        table.write(out, "")?;
        breakdown.write(out)?;
    } else if !out.is_json() && damaged.is_none() {
        ls::none(logs, out).await?;
    }
    match damaged {
        Some(error) => {
            out.flush()?;
            Err(error.context("not everything is counted: see bus verify"))
        }
        None => Ok(()),
    }
}

fn cells(figures: &Figures) -> [String; 8] {
    [
        one_line(&figures.thread, 80),
        count(figures.events),
        count(figures.user_messages),
        count(figures.assistant_texts),
        count(figures.tool_calls),
        count(figures.tool_errors),
        count(figures.prompt_tokens),
        count(figures.completion_tokens),
    ]
}

/// Adds the figures that [`cells`] shows.
fn add(sum: &mut Figures, figures: &Figures) {
    for (sum, n) in [
        (&mut sum.events, figures.events),
        (&mut sum.user_messages, figures.user_messages),
        (&mut sum.assistant_texts, figures.assistant_texts),
        (&mut sum.tool_calls, figures.tool_calls),
        (&mut sum.tool_errors, figures.tool_errors),
        (&mut sum.prompt_tokens, figures.prompt_tokens),
        (&mut sum.completion_tokens, figures.completion_tokens),
    ] {
        *sum = sum.saturating_add(n);
    }
}

fn thread_for_people(stats: &Stats, out: &mut Out) -> anyhow::Result<()> {
    let figures = &stats.figures;
    let (bold, dim) = (out.styles.bold, out.styles.dim);
    let format = match figures.format.as_str() {
        "" => String::new(),
        format => format!("  {dim}{format}{dim:#}"),
    };
    out.line(format_args!(
        "{bold}{}{bold:#}{format}",
        one_line(&figures.thread, 80)
    ))?;
    let mut table = Table::without_heads([Align::Left, Align::Left]);
    let mut row = |name: &str, value: String| table.row(PLAIN, [name.to_owned(), value]);
    row("events", count(figures.events));
    if let (Some(first), Some(last)) = (figures.first_at, figures.last_at) {
        let elapsed = duration(between(first, last));
        row(
            "elapsed",
            format!("{elapsed}, {} to {} UTC", moment(first), moment(last)),
        );
    }
    row(
        "messages",
        format!(
            "{} from the user, {} from the model",
            count(figures.user_messages),
            count(figures.assistant_texts)
        ),
    );
    row(
        "tools",
        format!(
            "{}, {}, {} failed",
            counted(figures.tool_calls, "call"),
            counted(figures.tool_results, "result"),
            count(figures.tool_errors)
        ),
    );
    row("compactions", count(figures.compactions));
    row(
        "tokens",
        format!(
            "{} in, {} out",
            count(figures.prompt_tokens),
            count(figures.completion_tokens)
        ),
    );
    if figures.malformed_lines + figures.skipped_records > 0 {
        row(
            "not read",
            format!(
                "{}, {} of no use here",
                counted(figures.malformed_lines, "damaged line"),
                counted(figures.skipped_records, "record")
            ),
        );
    }
    table.write(out, "  ")?;
    stats.breakdown.write(out)
}

#[cfg(test)]
mod tests;
