//! Events on their way to the disk.

use std::collections::VecDeque;
use std::pin::Pin;

use bus_tokio::{EmitError, Receipt};
use futures_util::FutureExt;

/// Events that may be on their way at once: enough that a sync is shared by many.
const EVENTS: usize = 4096;

/// Bytes of input that may be on their way at once.
const BYTES: usize = 32 << 20;

pub(super) type Outcome = Result<Receipt, EmitError>;

/// Published events whose outcome was not yet looked at, in the order of the input.
pub(super) struct Window {
    flights: VecDeque<Flight>,
    bytes: usize,
}

struct Flight {
    line: u64,
    bytes: usize,
    state: State,
}

enum State {
    Flying(Pin<Box<dyn Future<Output = Outcome> + Send>>),
    Landed(Outcome),
}

impl Window {
    pub(super) const fn new() -> Self {
        Self {
            flights: VecDeque::new(),
            bytes: 0,
        }
    }

    /// True if another event may be published; also one that is larger than all room there is.
    pub(super) fn has_room(&self) -> bool {
        self.flights.is_empty() || (self.flights.len() < EVENTS && self.bytes < BYTES)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.flights.is_empty()
    }

    /// Sets an event off: the first poll gives it its place behind those before it.
    pub(super) fn push(
        &mut self,
        line: u64,
        bytes: usize,
        mut outcome: Pin<Box<dyn Future<Output = Outcome> + Send>>,
    ) {
        let state = match (&mut outcome).now_or_never() {
            Some(told) => State::Landed(told),
            None => State::Flying(outcome),
        };
        self.bytes += bytes;
        self.flights.push_back(Flight { line, bytes, state });
    }

    /// The first event's line and outcome, if it is known by now.
    pub(super) fn told(&mut self) -> Option<(u64, Outcome)> {
        self.next().now_or_never()
    }

    /// The first event's line and outcome. Waits for good if there is none. Loses nothing if it is
    /// dropped.
    pub(super) async fn next(&mut self) -> (u64, Outcome) {
        let Some(first) = self.flights.front_mut() else {
            return std::future::pending().await;
        };
        if let State::Flying(outcome) = &mut first.state {
            first.state = State::Landed(outcome.await);
        }
        match self.flights.pop_front() {
            Some(Flight {
                line,
                bytes,
                state: State::Landed(outcome),
            }) => {
                self.bytes -= bytes;
                (line, outcome)
            }
            // The first was there, and has landed.
            _ => unreachable!("the first event has landed"),
        }
    }
}

#[cfg(test)]
mod tests;
