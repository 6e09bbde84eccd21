//! The thread that waits for room in sinks that are full, for all buses of the process. It is started when one of
//! them first needs it. It never blocks for one bus: it tries again when a sink says so, and when the
//! time of the first event in line is over, which then fails.

use std::collections::{BTreeSet, HashMap};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, Weak};
use std::task::{Wake, Waker};
use std::thread;
use std::time::Instant;

use super::{Line, Stuck, lock, reentrancy};
use crate::sinks::Wait;

/// Has the thread try again for a line. False if there is no thread to be had.
pub(super) fn call(line: &Arc<Line>) -> bool {
    static CALLS: Calls = Calls(Mutex::new(None));
    CALLS.call(line, start)
}

/// Where the thread is called, once there is one.
struct Calls(Mutex<Option<Sender<Arc<Line>>>>);

impl Calls {
    /// A thread that could not be started is tried again at the next call: the system may have had none to give at
    /// that moment.
    fn call(&self, line: &Arc<Line>, start: impl FnOnce() -> Option<Sender<Arc<Line>>>) -> bool {
        let mut calls = lock(&self.0);
        if calls.is_none() {
            *calls = start();
        }
        let called = calls.as_ref().map(|calls| calls.send(Arc::clone(line)));
        match called {
            Some(Ok(())) => true,
            Some(Err(_)) => {
                *calls = None;
                false
            }
            None => false,
        }
    }
}

fn start() -> Option<Sender<Arc<Line>>> {
    let (queue, calls) = mpsc::channel();
    let run = move || Waiter::default().run(&calls);
    let thread = thread::Builder::new().name("bus-waiter".into());
    thread.spawn(run).ok().map(|_| queue)
}

/// What a sink wakes once it may have room. The thread holds the line as long as it waits.
struct Room(Weak<Line>);

impl Wake for Room {
    fn wake(self: Arc<Self>) {
        if let Some(line) = self.0.upgrade() {
            call(&line);
        }
    }
}

#[derive(Default)]
struct Waiter {
    /// By their address.
    waiting: HashMap<usize, Waiting>,
    due: BTreeSet<(Instant, usize)>,
}

struct Waiting {
    line: Arc<Line>,
    room: Waker,
    until: Option<Instant>,
}

impl Waiter {
    fn run(&mut self, calls: &Receiver<Arc<Line>>) {
        loop {
            let called = match self.due.first() {
                None => calls.recv().map_err(|_| RecvTimeoutError::Disconnected),
                Some((at, _)) => calls.recv_timeout(at.saturating_duration_since(Instant::now())),
            };
            match called {
                Ok(line) => self.serve(line),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
            self.serve_due();
        }
    }

    /// Tries again for those whose time is over.
    fn serve_due(&mut self) {
        let now = Instant::now();
        while let Some((_, address)) = self.due.first().copied().filter(|(at, _)| *at <= now) {
            let line = self.waiting.get(&address).map(|w| Arc::clone(&w.line));
            match line {
                Some(line) => self.serve(line),
                None => {
                    self.due.pop_first();
                }
            }
        }
    }

    fn serve(&mut self, line: Arc<Line>) {
        let address = Arc::as_ptr(&line).addr();
        // The waker stays the same, so that a sink has it once.
        let room = match self.waiting.remove(&address) {
            Some(Waiting { room, until, .. }) => {
                if let Some(at) = until {
                    self.due.remove(&(at, address));
                }
                room
            }
            None => Waker::from(Arc::new(Room(Arc::downgrade(&line)))),
        };
        // Whatever runs in there must not wait for what this thread is to do. What is dropped in there may be
        // somebody else's: if it panics, there may be more to do.
        let mut stuck = Some(Stuck::Many);
        let pump = || stuck = line.pump_by(Wait::Never(&room));
        let _ = catch_unwind(AssertUnwindSafe(|| reentrancy::delivering(pump)));
        match stuck {
            None => {}
            Some(Stuck::Full(until)) => {
                if let Some(at) = until {
                    self.due.insert((at, address));
                }
                let waiting = Waiting { line, room, until };
                self.waiting.insert(address, waiting);
            }
            // Others have their turn first.
            Some(stuck) => {
                // Nor may it wait for one bus, and so hold up all others.
                let leave = || line.leave_to_others(&stuck);
                let _ = catch_unwind(AssertUnwindSafe(|| reentrancy::delivering(leave)));
            }
        }
    }
}

#[cfg(test)]
mod tests;
