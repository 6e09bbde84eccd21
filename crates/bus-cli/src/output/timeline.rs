//! A thread's events for people: one line each.

mod audit;
mod echo;
mod session;

use bus_import::SKIPPED;
use bus_log::{DateTime, Event, Recorded, SessionEvent, Utc};
use clap::builder::styling::Style;

use super::Out;
use super::style::{PLAIN, Styles};
use super::text::{columns, one_line, wrapped};
use echo::{may_be_said_again, says_again};

/// Columns of the label, such as `compaction`.
const LABEL: usize = 10;

/// Writes events as lines, with a line for each new day.
pub(crate) struct Timeline {
    full: bool,
    digits: usize,
    last_at: Option<DateTime<Utc>>,
    /// The event before, if the audit may say it again.
    last: Option<SessionEvent>,
    /// Ordinals of the last events that an import left behind for records of no use here, and how
    /// many: they are one line together.
    skipped: Option<(u64, u64, u64)>,
}

/// One event in words.
struct Line {
    mark: &'static str,
    label: &'static str,
    tone: Tone,
    text: String,
}

/// What a line is about, which is its colour.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Tone {
    Quiet,
    Person,
    Answer,
    Tool,
    Success,
    Failure,
    Cost,
    Loop,
    Session,
}

impl Line {
    fn new(mark: &'static str, label: &'static str, tone: Tone, text: impl Into<String>) -> Self {
        Self {
            mark,
            label,
            tone,
            text: text.into(),
        }
    }
}

impl Timeline {
    /// A timeline of ordinals up to about `last`; with whole texts if `full`.
    pub(crate) fn new(last: u64, full: bool) -> Self {
        Self {
            full,
            digits: last.to_string().len().max(4),
            last_at: None,
            last: None,
            skipped: None,
        }
    }

    /// Writes one event, which must be typed. What an import skipped waits for
    /// [`pause`](Self::pause) or for the next event of another kind.
    pub(crate) fn event(&mut self, out: &mut Out, recorded: &Recorded) -> anyhow::Result<()> {
        if recorded.event.event_type() == SKIPPED && !self.full {
            let (first, _, events) = self.skipped.unwrap_or((recorded.ordinal, 0, 0));
            self.skipped = Some((first, recorded.ordinal, events + 1));
            return Ok(());
        }
        self.pause(out)?;
        self.day(out, recorded.at)?;
        let mut line = describe(&recorded.event);
        let echo = !self.full
            && self
                .last
                .as_ref()
                .is_some_and(|last| says_again(last, &recorded.event));
        self.last = may_be_said_again(&recorded.event).cloned();
        if echo {
            line.text = "the same, for the audit".to_owned();
        }

        let Styles { dim, red, .. } = out.styles;
        let label_style = if echo {
            dim
        } else {
            line.tone.style(&out.styles)
        };
        let text_style = match line.tone {
            _ if echo => dim,
            Tone::Quiet => dim,
            Tone::Failure => red,
            _ => PLAIN,
        };
        let Line { mark, label, .. } = line;
        let front = format!(
            "{:>1$}  {2}  ",
            recorded.ordinal,
            self.digits,
            recorded.at.format("%H:%M:%S")
        );
        let indent = columns(&front) + columns(mark) + 1 + LABEL + 1;
        let room = out.width.saturating_sub(indent).max(20);
        let texts = if self.full {
            wrapped(&line.text, room)
        } else {
            vec![one_line(&line.text, room)]
        };
        let mut texts = texts.iter();
        let first = texts.next().map_or("", String::as_str);
        let head = format!(
            "{dim}{front}{dim:#}{label_style}{mark} {label:<LABEL$}{label_style:#} {text_style}{first}{text_style:#}"
        );
        out.line(head.trim_end())?;
        for text in texts {
            let line = format!("{:indent$}{text_style}{text}{text_style:#}", "");
            out.line(line.trim_end())?;
        }
        Ok(())
    }

    /// Writes what waits, so that nothing is missing from what was written.
    pub(crate) fn pause(&mut self, out: &mut Out) -> anyhow::Result<()> {
        let Some((first, last, events)) = self.skipped.take() else {
            return Ok(());
        };
        self.last = None;
        let Styles { dim, .. } = out.styles;
        let (to, records) = match events {
            1 => (String::new(), "record"),
            _ => (format!("–{last}"), "records"),
        };
        let digits = self.digits;
        out.line(format_args!(
            "{dim}{first:>digits$}{to}  {events} {records} of no use here{dim:#}"
        ))
    }

    /// Writes the day, where it is another one.
    fn day(&mut self, out: &mut Out, at: DateTime<Utc>) -> anyhow::Result<()> {
        let last = self.last_at.replace(at);
        if last.map(|last| last.date_naive()) == Some(at.date_naive()) {
            return Ok(());
        }
        let Styles { dim, .. } = out.styles;
        let day = format!(
            "{:digits$}  {}",
            "",
            at.format("%Y-%m-%d UTC"),
            digits = self.digits
        );
        out.line(format_args!("{dim}{day}{dim:#}"))
    }
}

impl Tone {
    fn style(self, styles: &Styles) -> Style {
        match self {
            Self::Quiet => styles.dim,
            Self::Person | Self::Success => styles.green,
            Self::Answer => styles.bold,
            Self::Tool => styles.cyan,
            Self::Failure => styles.red,
            Self::Cost => styles.yellow,
            Self::Loop => styles.magenta,
            Self::Session => styles.blue,
        }
    }
}

/// What happened, in words.
fn describe(event: &Event) -> Line {
    match event {
        Event::Session(event) => session::describe(event),
        Event::Audit(event) => audit::describe(event),
        other => custom(other),
    }
}

fn custom(event: &Event) -> Line {
    let kind = event.event_type();
    let data = event.as_custom().and_then(bus_log::CustomEvent::data);
    let text = match data {
        Some(data) => format!("{kind} · {data}"),
        None => kind.to_owned(),
    };
    // What an import left out is of less interest than what it took.
    let tone = if kind == SKIPPED {
        Tone::Quiet
    } else {
        Tone::Session
    };
    Line::new("◇", "custom", tone, text)
}

/// What `event` says, in a few words: for a status line.
pub(crate) fn summary(event: &Event, width: usize) -> String {
    let line = describe(event);
    one_line(
        &format!("{} {} · {}", line.mark, line.label, line.text),
        width,
    )
}

#[cfg(test)]
mod tests;
