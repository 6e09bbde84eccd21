//! `bus import`: transcripts into the log.

mod appender;
mod known;
mod progress;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use bus_import::{ImportError, Importer, find_transcripts};
use clap::Args;

use super::stats::FiguresLine;
use crate::cli::OutputArgs;
use crate::logs::Logs;
use crate::output::text::{count, counted, one_line};
use crate::output::{Out, diagnostics};
use appender::{Appended, Appender};
use progress::Progress;

const EXAMPLES: &str = "\
Examples:
  bus import ~/.codex ~/.claude         all sessions, what is new of them
  bus import rollout-2025-10-31T19-02-58-c61729d4.jsonl
  bus import ~/.claude --json | jq 'select(.appended > 0).thread'

Which of the two formats a file has is found by its content; in folders, other
files are passed over. A session is known by its id: importing it again, or from
another place, appends what is new. If a thread's events were all archived or
erased, import can't compare them. It then skips that many events at the start
of the file, and says so.

Keys of --json, a line per thread of each file: format, thread, path, events,
appended, user_messages, assistant_texts, tool_calls, tool_results, tool_errors,
compactions, prompt_tokens (cached ones included), completion_tokens, first_at,
last_at, malformed_lines, skipped_records. All but appended describe the whole
file as it was read.";

/// Events between two looks at the progress bar.
const BAR_EVERY: u64 = 256;

/// Arguments of `bus import`.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct ImportArgs {
    /// Transcripts, or folders that hold some
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

/// What an import did.
#[derive(Default)]
struct Tally {
    files: u64,
    events: u64,
    appended: u64,
    passed_over: u64,
    failed: u64,
}

/// A file to import.
struct Source {
    path: PathBuf,
    bytes: u64,
}

/// Imports all transcripts; those that can't be read are named and do not stop the others.
pub(crate) async fn run(logs: &Logs, args: &ImportArgs, out: &mut Out) -> anyhow::Result<ExitCode> {
    let mut tally = Tally::default();
    let mut sources = Vec::new();
    for path in &args.paths {
        let complain = |path: &Path, error: std::io::Error, tally: &mut Tally| {
            tally.failed += 1;
            let error = anyhow::Error::new(error);
            diagnostics::report(&error.context(format!("can't read: {}", path.display())));
        };
        let all = match find_transcripts(path) {
            Ok(all) => all,
            Err(error) => {
                complain(path, error, &mut tally);
                continue;
            }
        };
        for found in all {
            match (found.error, found.format) {
                (Some(error), _) => complain(&found.path, error, &mut tally),
                // A file that was asked for by its own name must be a transcript.
                (None, None) if found.path != *path => tally.passed_over += 1,
                (None, _) => sources.push(Source {
                    bytes: found.path.metadata().map_or(0, |metadata| metadata.len()),
                    path: found.path,
                }),
            }
        }
    }
    let progress = Progress::new(sources.iter().map(|source| source.bytes).sum());
    let mut before = 0;
    for source in &sources {
        let imported = import(logs, source, before, &progress, out, &mut tally).await;
        if let Err(error) = imported {
            if crate::output::is_closed_pipe(&error) {
                return Err(error);
            }
            match error.downcast_ref() {
                // What is not written yet is for the next import.
                Some(waiting @ ImportError::NothingYet(_)) => {
                    progress.aside(|| diagnostics::note(waiting));
                }
                _ => {
                    tally.failed += 1;
                    progress.aside(|| diagnostics::report(&error));
                }
            }
        }
        before += source.bytes;
        progress.at(before);
    }
    progress.end();
    if !out.is_json() {
        summary(&tally, logs, out)?;
    }
    out.flush()?;
    Ok(if tally.failed == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Imports one file. `before` is how many bytes the files before it have.
async fn import(
    logs: &Logs,
    source: &Source,
    before: u64,
    progress: &Progress,
    out: &mut Out,
    tally: &mut Tally,
) -> anyhow::Result<()> {
    let mut importer = Importer::open(&source.path)?;
    let mut appender = Appender::new(logs);
    let mut events = 0;
    let in_file = |line: &'static str| format!("{line}: {}", source.path.display());
    while let Some(item) = importer.next() {
        let item = item.with_context(|| in_file("can't read the rest of the file"))?;
        let pushed = appender.push(item).await;
        pushed.with_context(|| in_file("can't import"))?;
        events += 1;
        if events % BAR_EVERY == 0 {
            progress.at(before + importer.bytes_read());
        }
    }
    let appended = appender.finish().await;
    let appended = appended.with_context(|| in_file("can't import"))?;

    tally.files += 1;
    tally.events += events;
    let path = source.path.to_string_lossy();
    for figures in importer.figures() {
        let appended = appended.get(figures.thread.as_str()).copied();
        let appended = appended.unwrap_or_default();
        let new = appended.new;
        tally.appended += new;
        if let Some(archived) = appended.guessed {
            let thread = one_line(&figures.thread, 80);
            let events = counted(archived, "event");
            progress.aside(|| {
                diagnostics::note(format_args!(
                    "{thread}: {events} archived or erased: skipped that many events at the start of the \
                     file; if those were different events, they are missing"
                ));
            });
        }
        let line = FiguresLine::new(&figures, Some(&path), new);
        progress.aside(|| write_line(&line, &figures, &source.path, appended, out))?;
    }
    Ok(())
}

fn write_line(
    line: &FiguresLine<'_>,
    figures: &bus_import::Figures,
    path: &Path,
    appended: Appended,
    out: &mut Out,
) -> anyhow::Result<()> {
    if out.is_json() {
        out.json(line)?;
    } else {
        let (green, dim) = (out.styles.green, out.styles.dim);
        let thread = one_line(&figures.thread, 80);
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let name = one_line(&name, out.width);
        let mark = if appended.new == 0 { dim } else { green };
        let (new, calls) = (
            count(appended.new),
            counted(figures.tool_calls, "tool call"),
        );
        let red = out.styles.red;
        let damaged = match figures.malformed_lines {
            0 => String::new(),
            n => format!("  {red}{}{red:#}", counted(n, "damaged line")),
        };
        let erased = if appended.erased {
            "  the thread was erased"
        } else {
            ""
        };
        out.line(format_args!(
            "{mark}{:>8} new{mark:#}  {thread}  {dim}{}, {calls}, {} tokens  {name}{dim:#}{damaged}{erased}",
            new,
            counted(figures.events, "event"),
            count(
                figures
                    .prompt_tokens
                    .saturating_add(figures.completion_tokens)
            ),
        ))?;
    }
    // Whoever reads along sees each session when it is done.
    out.flush()
}

fn summary(tally: &Tally, logs: &Logs, out: &mut Out) -> anyhow::Result<()> {
    let (bold, dim) = (out.styles.bold, out.styles.dim);
    let mut line = format!(
        "{bold}{} appended{bold:#} of {} in {}",
        counted(tally.appended, "event"),
        count(tally.events),
        counted(tally.files, "file")
    );
    if tally.passed_over > 0 {
        let others = counted(tally.passed_over, "other file");
        line.push_str(&format!("; {others} passed over"));
    }
    if tally.failed > 0 {
        line.push_str(&format!("; {} failed", count(tally.failed)));
    }
    out.line(format_args!("{line}  {dim}{}{dim:#}", logs.url))
}

#[cfg(test)]
mod tests;
