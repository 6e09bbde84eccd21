//! `bus record`: events from standard input into the log.

mod lines;
mod lost;
mod window;

use std::collections::{HashSet, VecDeque};
use std::io::{self, Read, Write};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context;
use bus_log::Event;
use bus_tokio::{DurabilityPolicy, EmitError, Receipt, SessionBus};
use clap::{Args, ValueEnum};
use tokio::signal::unix::{SignalKind, signal};

use crate::logs::Logs;
use crate::output::text::counted;
use crate::output::{closed, diagnostics};
use lines::{Line, read};
use lost::{Lost, may_be_written};
use window::Window;

const EXAMPLES: &str = "\
Examples:
  my-agent | bus record --thread run-17
  my-agent | bus record --thread run-17 --durability transcript
  echo '{\"type\":\"acme.note\",\"data\":\"hi\"}' | bus record --thread r --ack

Standard input holds one event a line: {\"type\":\"acme.note\",\"data\":\"hi\"}. Which
session events are written is decided by --durability, and how many were left
out is told at the end; audit and custom events always are written. A line whose
type begins with session. or audit. but is not known is written unchanged, with
a warning; with --strict it is refused. Interrupted, or when the log can't take
an event, it writes what it has taken and ends.

With --ack each event that was written gives a line {\"ordinal\":n,\"line\":m} once
it is on disk, in order; m is its line of the input.";

/// Subscribers that a bus without any needs room for.
const CAPACITY: usize = 16;

/// Arguments of `bus record`.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct RecordArgs {
    /// The thread to write to; it is made if it is not there
    #[arg(long, value_name = "THREAD")]
    thread: String,
    /// Acknowledge each written event once it is on disk
    #[arg(long)]
    ack: bool,
    /// Which session events to write
    #[arg(long, value_name = "WHICH", value_enum, default_value_t = Durability::Signals)]
    durability: Durability,
    /// Stop at the first line that is not a valid event, or that has an unknown `session.`/`audit.` type
    #[arg(long)]
    strict: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum Durability {
    /// Cost, compactions and results of RLM loops
    Signals,
    /// The signals, tool calls, complete texts, errors and ends of turns
    Transcript,
    /// Every event, every text chunk included
    Everything,
}

impl From<Durability> for DurabilityPolicy {
    fn from(durability: Durability) -> Self {
        match durability {
            Durability::Signals => Self::Signals,
            Durability::Transcript => Self::Transcript,
            Durability::Everything => Self::Everything,
        }
    }
}

/// Records standard input to its end, or until interrupted.
pub(crate) async fn run(logs: &Logs, args: &RecordArgs) -> anyhow::Result<ExitCode> {
    let mut interrupt = signal(SignalKind::interrupt()).context("can't wait for signals")?;
    let mut terminate = signal(SignalKind::terminate()).context("can't wait for signals")?;
    let stop = async {
        // The codes of a program that the signal has ended.
        tokio::select! {
            _ = interrupt.recv() => 130,
            _ = terminate.recv() => 143,
        }
    };
    record(logs, args, io::stdin(), io::stdout(), stop).await
}

/// Records `input`, and acknowledges on `acks`, until `stop` gives the code to end with.
async fn record(
    logs: &Logs,
    args: &RecordArgs,
    input: impl Read + Send + 'static,
    acks: impl Write,
    stop: impl Future<Output = u8>,
) -> anyhow::Result<ExitCode> {
    let key = logs.key(&args.thread)?;
    let bus = SessionBus::new(CAPACITY)
        .with_log(Arc::clone(&logs.log), key)
        .with_durability(args.durability.into());
    let mut recorder = Recorder {
        bus,
        strict: args.strict,
        window: Window::new(),
        acks: args.ack.then(|| io::BufWriter::new(acks)),
        failed: false,
        closed: None,
        lost: None,
        odd: HashSet::new(),
        written: 0,
        left_out: 0,
    };
    let mut batches = read(input);
    let mut queue = VecDeque::new();
    let mut reading = true;
    let mut code = None;
    let mut stop = std::pin::pin!(stop);
    loop {
        while recorder.window.has_room()
            && let Some(line) = queue.pop_front()
        {
            recorder.take(line);
        }
        while let Some((line, outcome)) = recorder.window.told() {
            recorder.settle(line, outcome);
        }
        if recorder.is_over() {
            reading = false;
            queue.clear();
        }
        if recorder.window.has_room() && !queue.is_empty() {
            continue;
        }
        if !reading && recorder.window.is_empty() {
            break;
        }
        // Nothing to do but to wait: whoever waits for us must not.
        recorder.flush();
        if reading && recorder.is_over() {
            continue;
        }
        tokio::select! {
            (line, outcome) = recorder.window.next(), if !recorder.window.is_empty() => {
                recorder.settle(line, outcome);
            }
            batch = batches.recv(), if reading && queue.is_empty() => match batch {
                Some(batch) => queue.extend(batch),
                None => reading = false,
            },
            signal = &mut stop, if code.is_none() => {
                code = Some(signal);
                reading = false;
                queue.clear();
            }
        }
    }
    recorder.flush();
    recorder.sum_up(args.durability);
    match (recorder.closed, code) {
        (Some(error), _) => Err(error),
        (None, Some(code)) => Ok(ExitCode::from(code)),
        (None, None) if recorder.failed => Ok(ExitCode::FAILURE),
        (None, None) => Ok(ExitCode::SUCCESS),
    }
}

struct Recorder<W: Write> {
    bus: SessionBus,
    strict: bool,
    window: Window,
    acks: Option<io::BufWriter<W>>,
    /// Some line was no event, or some event may not be on disk.
    failed: bool,
    /// Why acknowledging has ended before its time.
    closed: Option<anyhow::Error>,
    /// What was lost to a log that takes nothing any more.
    lost: Option<Lost>,
    /// Types that were complained of.
    odd: HashSet<String>,
    written: u64,
    left_out: u64,
}

/// Odd types that are complained of, each once.
const ODD_TYPES: usize = 100;

impl<W: Write> Recorder<W> {
    /// Publishes a line's event, or complains of it.
    fn take(&mut self, line: Line) {
        if self.is_over() {
            return;
        }
        let Line { number, text } = line;
        let parsed = text.and_then(|text| Ok((text.len(), Event::parse(text.trim_ascii())?)));
        match parsed {
            Ok((_, event)) if self.strict && is_odd(&event) => {
                let kind = event.event_type();
                self.complain(anyhow::anyhow!(
                    "line {number} is no event of this version: {kind:?}"
                ));
            }
            Ok((bytes, event)) => {
                self.wonder_at(number, &event);
                let bus = self.bus.clone();
                let outcome = Box::pin(async move { bus.publish(event).await });
                self.window.push(number, bytes, outcome);
            }
            Err(error) => self.complain(error.context(format!("line {number} is no event"))),
        }
    }

    /// Acknowledges an event, or complains of it.
    fn settle(&mut self, line: u64, outcome: Result<Receipt, EmitError>) {
        match outcome {
            Ok(receipt) => {
                let count = match receipt.ordinal {
                    Some(_) => &mut self.written,
                    None => &mut self.left_out,
                };
                *count += 1;
                if let (Some(ordinal), Some(acks)) = (receipt.ordinal, &mut self.acks) {
                    let written = writeln!(acks, "{{\"ordinal\":{ordinal},\"line\":{line}}}");
                    self.closed_by(written);
                }
            }
            Err(error) => {
                let error = error.into_source();
                if error.kind() == io::ErrorKind::InvalidInput && !may_be_written(&error) {
                    let error = anyhow::Error::new(error);
                    self.complain(error.context(format!("line {line} was not written")));
                    return;
                }
                // It is no fault of the event: those behind it won't fare better.
                match &mut self.lost {
                    Some(lost) => lost.add(line, error),
                    None => self.lost = Some(Lost::new(line, error)),
                }
            }
        }
    }

    /// Says of an event that is written as it is that it may not be what was meant.
    fn wonder_at(&mut self, line: u64, event: &Event) {
        if !is_odd(event) || self.odd.len() >= ODD_TYPES {
            return;
        }
        let kind = event.event_type();
        if self.odd.insert(kind.to_owned()) {
            diagnostics::note(format_args!(
                "line {line} is no event of this version, by its type or by its data, and is written \
                 as it is: {kind:?} (each type is named once)"
            ));
        }
    }

    /// Says what became of the input, where that is not plain.
    fn sum_up(&mut self, durability: Durability) {
        if let Some(lost) = self.lost.take() {
            self.complain(lost.into_error());
        }
        if self.left_out > 0 && self.closed.is_none() {
            let written = counted(self.written, "event");
            let left_out = counted(self.left_out, "event");
            let name = durability.to_possible_value();
            let name = name.as_ref().map_or("", |value| value.get_name());
            diagnostics::note(format_args!(
                "{written} written, {left_out} left out by --durability {name}"
            ));
        }
    }

    fn complain(&mut self, error: anyhow::Error) {
        self.failed = true;
        diagnostics::report(&error);
    }

    /// True if no further line is to be taken.
    fn is_over(&self) -> bool {
        self.closed.is_some() || self.lost.is_some() || (self.strict && self.failed)
    }

    fn flush(&mut self) {
        if let Some(acks) = &mut self.acks {
            let flushed = acks.flush();
            self.closed_by(flushed);
        }
    }

    fn closed_by(&mut self, written: io::Result<()>) {
        if let Err(error) = written {
            self.acks = None;
            self.closed = Some(closed(error));
        }
    }
}

/// True if an event's type says that this version knows it, and it does not: it may be misspelt.
fn is_odd(event: &Event) -> bool {
    let kind = event.event_type();
    event.as_custom().is_some()
        && (kind.is_empty() || kind.starts_with("session.") || kind.starts_with("audit."))
}

#[cfg(test)]
mod tests;
