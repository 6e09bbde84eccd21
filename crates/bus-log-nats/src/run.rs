//! Which of the stream's messages are this log's own.
//!
//! A writer must know that no message of another came between the last that it has seen of a thread and its own. Where
//! all of the stream between the two is its own, on whatever subjects, it knows that without looking.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

/// Sequences further apart than these many runs are forgotten: then it is looked.
const RUNS: usize = 64;

/// Runs of sequences that were acknowledged to this log, in order, none next to another.
#[derive(Debug, Default)]
pub(crate) struct Runs(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// A server that comes back may have lost its end and give sequences anew.
    epoch: u64,
    runs: VecDeque<(u64, u64)>,
}

impl Runs {
    /// Adds a sequence. False if it was there: then the server gives them for the second time, and all others are forgotten.
    #[must_use]
    pub(crate) fn add(&self, epoch: u64, seq: u64) -> bool {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if state.epoch != epoch {
            state.epoch = epoch;
            state.runs.clear();
        }
        let runs = &mut state.runs;
        let is_new = !runs.iter().rev().any(|run| run.0 <= seq && seq <= run.1);
        if !is_new {
            runs.clear();
        }
        // Answers come nearly in order: the place is at the end or close to it.
        let at = runs
            .iter()
            .rposition(|run| run.0 <= seq)
            .map_or(0, |at| at + 1);
        let joins_left = at > 0 && runs[at - 1].1 + 1 >= seq;
        let joins_right = runs.get(at).is_some_and(|run| run.0 == seq + 1);
        match (joins_left, joins_right) {
            (true, true) => {
                runs[at - 1].1 = runs[at].1;
                runs.remove(at);
            }
            (true, false) => runs[at - 1].1 = runs[at - 1].1.max(seq),
            (false, true) => runs[at].0 = seq,
            (false, false) => runs.insert(at, (seq, seq)),
        }
        if runs.len() > RUNS {
            runs.pop_front();
        }
        is_new
    }

    /// Forgets all.
    pub(crate) fn clear(&self) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.runs.clear();
    }

    /// Whether all from the first to the last are this log's own.
    pub(crate) fn hold(&self, epoch: u64, first: u64, last: u64) -> bool {
        let state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        first <= last
            && state.epoch == epoch
            && state
                .runs
                .iter()
                .rev()
                .any(|run| run.0 <= first && last <= run.1)
    }
}

#[cfg(test)]
mod tests;
