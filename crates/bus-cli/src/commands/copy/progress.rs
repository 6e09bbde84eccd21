//! How far a copy has come, for people.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::output::diagnostics::note;
use crate::output::text::{bytes, count, counted};

/// How often a line is written where there is no terminal.
const LINE_EVERY: Duration = Duration::from_secs(10);

/// A line on standard error that moves; where that is no terminal, one every ten seconds.
pub(super) struct Shown {
    bar: ProgressBar,
    state: Mutex<State>,
}

struct State {
    /// Events to copy, where that is known.
    total: Option<u64>,
    events: u64,
    bytes: u64,
    threads: u64,
    began: Instant,
    said: Instant,
}

impl Shown {
    /// Of so many events, if that is known.
    pub(super) fn new(total: Option<u64>) -> Self {
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
        if let Ok(style) = ProgressStyle::with_template("{spinner} {msg}") {
            bar.set_style(style);
        }
        if !bar.is_hidden() {
            bar.enable_steady_tick(Duration::from_millis(200));
        }
        let now = Instant::now();
        Self {
            bar,
            state: Mutex::new(State {
                total,
                events: 0,
                bytes: 0,
                threads: 0,
                began: now,
                said: now,
            }),
        }
    }

    /// So many events of so many bytes were copied.
    pub(super) fn moved(&self, events: u64, bytes: u64) {
        self.change(|state| {
            state.events += events;
            state.bytes += bytes;
        });
    }

    /// A thread is done.
    pub(super) fn done(&self) {
        self.change(|state| state.threads += 1);
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut state);
        if !self.bar.is_hidden() {
            self.bar.set_message(state.words());
        } else if state.said.elapsed() >= LINE_EVERY {
            state.said = Instant::now();
            note(state.words());
        }
    }

    /// Writes something else while the line is out of the way.
    pub(super) fn aside<R>(&self, write: impl FnOnce() -> R) -> R {
        self.bar.suspend(write)
    }

    /// Takes the line away.
    pub(super) fn end(&self) {
        self.bar.finish_and_clear();
    }
}

impl State {
    fn words(&self) -> String {
        let seconds = self.began.elapsed().as_secs_f64().max(1e-3);
        let events = match self.total {
            Some(total) if total > 0 => {
                // The source may go on meanwhile.
                let percent = (self.events.min(total) as u128 * 100 / total as u128) as u64;
                let total = counted(total.max(self.events), "event");
                format!("{percent} %: {} of {total}", count(self.events))
            }
            _ => counted(self.events, "event"),
        };
        format!(
            "copied {events}, {} done, {} ({}/s)",
            counted(self.threads, "thread"),
            bytes(self.bytes),
            bytes((self.bytes as f64 / seconds) as u64),
        )
    }
}

#[cfg(test)]
mod tests;
