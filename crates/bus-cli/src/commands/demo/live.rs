//! The session as it happens: one line that a subscriber keeps up to date.

use std::io::{self, Write};
use std::time::Instant;

use bus_tokio::{Envelope, EnvelopeSubscriber, Event, RecvError, SessionEvent};

use crate::output::style::Styles;
use crate::output::text::{count, counted, one_line};
use crate::output::timeline::summary;

/// What a subscriber saw.
#[derive(Default)]
pub(super) struct Seen {
    pub(super) events: u64,
    pub(super) durable: u64,
    pub(super) lost: u64,
    pub(super) tokens: u64,
    /// What the newest event but a chunk of text says.
    last: String,
    /// The answer as far as it has come.
    text: String,
}

/// Reads along until the bus is gone. `screen` is a terminal of so many columns, if there is one.
pub(super) async fn watch(
    mut events: EnvelopeSubscriber,
    screen: Option<(usize, Styles)>,
) -> io::Result<Seen> {
    let began = Instant::now();
    let mut seen = Seen::default();
    let drawn = loop {
        match events.recv().await {
            Ok(envelope) => seen.add(&envelope),
            Err(RecvError::Lagged(n)) => {
                seen.lost += n;
                continue;
            }
            Err(RecvError::Closed) => break screen.is_some(),
        }
        if let Some((columns, styles)) = &screen {
            draw(&seen.line(began, *columns, styles))?;
        }
    };
    if drawn {
        draw("")?;
    }
    Ok(seen)
}

/// Writes `line` over the one that was there.
fn draw(line: &str) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    write!(stdout, "\r\x1b[K{line}")?;
    stdout.flush()
}

impl Seen {
    fn add(&mut self, envelope: &Envelope) {
        self.events += 1;
        self.durable += u64::from(envelope.ordinal.is_some());
        match &envelope.event {
            Event::Session(SessionEvent::TextChunk(text)) => self.text.push_str(text),
            Event::Session(SessionEvent::TokenUsage(delta)) => self.tokens += delta.total() as u64,
            _ => {}
        }
        if !matches!(envelope.event, Event::Session(SessionEvent::TextChunk(_))) {
            self.text.clear();
            self.last = summary(&envelope.event, 400);
        }
    }

    /// The status line.
    fn line(&self, began: Instant, columns: usize, styles: &Styles) -> String {
        const SPINNER: [char; 8] = ['⣾', '⣽', '⣻', '⢿', '⡿', '⣟', '⣯', '⣷'];
        let Styles {
            dim, green, yellow, ..
        } = styles;
        let spinner = SPINNER[(self.events % 8) as usize];
        let seconds = format!("{:4.1} s", began.elapsed().as_secs_f64());
        let events = counted(self.events, "event");
        let durable = format!("{} on disk", count(self.durable));
        let tokens = counted(self.tokens, "token");
        let used = 2 + seconds.len() + events.len() + durable.len() + tokens.len() + 4 * 2;
        let room = columns.saturating_sub(used + 1).max(10);
        // Of a text that streams in, the newest words are the interesting ones.
        let now = if self.text.is_empty() {
            one_line(&self.last, room)
        } else {
            newest(&self.text, room)
        };
        format!(
            "{green}{spinner}{green:#} {dim}{seconds}{dim:#}  {events}  {green}{durable}{green:#}  \
             {yellow}{tokens}{yellow:#}  {now}"
        )
    }
}

/// The end of `text`, as much as fits on `columns`.
fn newest(text: &str, columns: usize) -> String {
    let skipped = text.chars().count().saturating_sub(columns);
    let end: String = text.chars().skip(skipped).collect();
    one_line(&end, columns)
}
