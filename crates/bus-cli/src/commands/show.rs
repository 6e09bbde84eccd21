//! `bus show`: a thread's events.

use std::process::ExitCode;

use anyhow::Context;
use bus_log::{Bounds, LogErrorKind, Recorded};
use clap::Args;
use globset::{Glob, GlobSet, GlobSetBuilder};

use crate::cli::OutputArgs;
use crate::logs::Logs;
use crate::output::json::{EventLine, typed};
use crate::output::text::{counted, one_line};
use crate::output::timeline::Timeline;
use crate::output::{Out, diagnostics};
use crate::pages::Pages;

const EXAMPLES: &str = "\
Examples:
  bus show 019c8a4d-8f45-7010-8b5d-7fad920aa6f9 | less -R
  bus show THREAD --full --type session.text_complete --type audit.user_message
  bus show THREAD --after 999000 --limit 100
  bus show THREAD --json --type 'session.token_*' | jq .data.prompt_tokens

Keys of --json: ordinal, at, type, data and meta (verbatim; absent from
events without).";

/// Arguments of `bus show`.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct ShowArgs {
    /// The thread, as `bus ls` names it
    thread: String,
    /// Begin after this ordinal
    #[arg(
        long,
        alias = "since",
        value_name = "N",
        default_value_t = 0,
        hide_default_value = true
    )]
    after: u64,
    /// Show at most this many events [default: all]
    #[arg(long, value_name = "N")]
    limit: Option<u64>,
    /// Show only events of types that match; may be given several times
    #[arg(long = "type", value_name = "GLOB", value_parser = glob)]
    types: Vec<Glob>,
    /// Show texts whole, and each record that an import skipped
    #[arg(long, conflicts_with = "json")]
    full: bool,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

impl ShowArgs {
    /// All of a thread, for people.
    pub(super) fn whole(thread: &str) -> Self {
        Self {
            thread: thread.to_owned(),
            after: 0,
            limit: None,
            types: Vec::new(),
            full: false,
            output: OutputArgs::PEOPLE,
        }
    }
}

fn glob(pattern: &str) -> Result<Glob, String> {
    Glob::new(pattern).map_err(|error| error.kind().to_string())
}

/// Shows the events after `--after`, page by page.
pub(crate) async fn run(logs: &Logs, args: &ShowArgs, out: &mut Out) -> anyhow::Result<ExitCode> {
    let (key, bounds) = logs.known(&args.thread).await?;
    let wanted = matcher(&args.types)?;
    let mut printer = Printer::new(bounds.last, args.full);
    if !out.is_json() {
        title(out, &args.thread, &bounds)?;
    }
    let mut left = args.limit.unwrap_or(u64::MAX);
    let (mut looked, mut shown) = (0, 0_u64);
    let mut pages = Pages::new(logs.log.as_ref(), &key, args.after, bounds.last);
    while left > 0 {
        let page = match pages.next().await {
            Ok(Some(page)) => page,
            Ok(None) => break,
            Err(error) => {
                // All before the damage is shown, and where it goes on.
                printer.pause(out)?;
                out.flush()?;
                if error.kind() == LogErrorKind::Corrupt
                    && let Some(next) = pages.after_damage().await
                {
                    diagnostics::note(format_args!(
                        "behind the damage, ordinal {next} can be read: --after {}",
                        next - 1
                    ));
                }
                return Err(error.into());
            }
        };
        looked += page.len() as u64;
        let matching = page.iter().filter(|event| {
            wanted
                .as_ref()
                .is_none_or(|w| w.is_match(event.event.event_type()))
        });
        for event in matching {
            if left == 0 {
                break;
            }
            left -= 1;
            shown += 1;
            printer.event(out, event)?;
        }
    }
    printer.pause(out)?;
    if looked > 0 && shown == 0 && left > 0 {
        let of = counted(looked, "event");
        diagnostics::note(format_args!("none of {of} matches --type"));
    } else if looked == 0 && bounds.readable() > 0 && left > 0 {
        let last = bounds.last;
        diagnostics::note(format_args!(
            "no event after ordinal {}: the last is {last}",
            args.after
        ));
    }
    out.flush()?;
    Ok(ExitCode::SUCCESS)
}

fn matcher(types: &[Glob]) -> anyhow::Result<Option<GlobSet>> {
    if types.is_empty() {
        return Ok(None);
    }
    let mut set = GlobSetBuilder::new();
    for glob in types {
        set.add(glob.clone());
    }
    Ok(Some(set.build().context("can't use these patterns")?))
}

/// A line about the thread as a whole.
pub(super) fn title(out: &mut Out, thread: &str, bounds: &Bounds) -> anyhow::Result<()> {
    let (bold, dim) = (out.styles.bold, out.styles.dim);
    let thread = one_line(thread, 80);
    let mut about = counted(bounds.readable(), "event");
    if bounds.erased {
        about.push_str(", erased before");
    } else if bounds.watermark > 0 {
        about.push_str(&format!(", {} archived", bounds.watermark));
    }
    out.line(format_args!("{bold}{thread}{bold:#}  {dim}{about}{dim:#}"))
}

/// Writes raw events as JSON or as a timeline.
pub(super) struct Printer(Timeline);

impl Printer {
    /// For ordinals up to about `last`.
    pub(super) fn new(last: u64, full: bool) -> Self {
        Self(Timeline::new(last, full))
    }

    /// Writes one event that was read raw.
    pub(super) fn event(&mut self, out: &mut Out, raw: &Recorded) -> anyhow::Result<()> {
        if out.is_json() {
            return out.json(&EventLine::new(raw));
        }
        let event = Recorded {
            event: typed(&raw.event)?,
            ..raw.clone()
        };
        self.0.event(out, &event)
    }

    /// Writes what waits for the next event.
    pub(super) fn pause(&mut self, out: &mut Out) -> anyhow::Result<()> {
        self.0.pause(out)
    }
}
