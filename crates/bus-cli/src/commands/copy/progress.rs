//! How far a copy has come, for people.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bus_log::ThreadKey;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::output::diagnostics::note;
use crate::output::text::{bytes, count, counted};

/// How often a line is written where there is no terminal.
const LINE_EVERY: Duration = Duration::from_secs(10);

/// A line of words, where nobody knows how much there is to copy.
const WORDS: &str = "{spinner} {msg}";

/// And one with a bar, where it is known.
const BAR: &str = "{spinner} {wide_bar} {msg}";

/// What was copied so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Copied {
    pub(super) events: u64,
    pub(super) bytes: u64,
    /// Threads that were begun, each of them once.
    pub(super) threads: u64,
}

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
    /// Threads that were begun, and whether they are done.
    threads: HashMap<ThreadKey, bool>,
    /// How many of them are done.
    done: u64,
    began: Instant,
    said: Instant,
}

impl Shown {
    /// Of so many events, if that is known.
    pub(super) fn new(total: Option<u64>) -> Self {
        Self::on(ProgressDrawTarget::stderr(), total)
    }

    /// The same drawn elsewhere.
    fn on(target: ProgressDrawTarget, total: Option<u64>) -> Self {
        let total = total.filter(|total| *total > 0);
        let bar = ProgressBar::with_draw_target(total, target);
        let template = if total.is_some() { BAR } else { WORDS };
        if let Ok(style) = ProgressStyle::with_template(template) {
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
                threads: HashMap::new(),
                done: 0,
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

    /// A thread is begun, perhaps not for the first time.
    pub(super) fn begun(&self, key: &ThreadKey) {
        let mut state = self.state();
        if !state.threads.contains_key(key) {
            state.threads.insert(key.clone(), false);
        }
    }

    /// A thread is done.
    pub(super) fn done(&self, key: &ThreadKey) {
        self.change(|state| {
            if state.threads.insert(key.clone(), true) != Some(true) {
                state.done += 1;
            }
        });
    }

    /// What was copied until now, also of threads that are not done.
    pub(super) fn copied(&self) -> Copied {
        let state = self.state();
        Copied {
            events: state.events,
            bytes: state.bytes,
            threads: state.threads.len() as u64,
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        let mut state = self.state();
        change(&mut state);
        if !self.bar.is_hidden() {
            if let Some(total) = state.total {
                // The source may go on meanwhile.
                self.bar.set_length(total.max(state.events));
                self.bar.set_position(state.events);
            }
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
            counted(self.done, "thread"),
            bytes(self.bytes),
            bytes((self.bytes as f64 / seconds) as u64),
        )
    }
}

#[cfg(test)]
mod tests;
