//! The rouser of receivers that no task of ours can wake: a thread that all buses of the process
//! share, started when one of them first needs it.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{self, Sender};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::task::{Wake, Waker};
use std::thread;
use std::time::{Duration, Instant};

use super::Ring;
use super::parked::LaneName;
use super::rouser::Roused;
use crate::line::delivering;

/// How long nobody asks again for a thread that could not be started: a system that has none to give would be asked
/// by every receiver that waits.
const PAUSE: Duration = Duration::from_secs(1);

/// A ring whose away lane is to be roused. Its waker puts it in the thread's queue.
struct Job(Weak<Ring>);

impl Wake for Job {
    fn wake(self: Arc<Self>) {
        // The thread never ends, and there is one, as it has had this job.
        let _ = CALLS.call(self, start);
    }
}

static CALLS: Calls = Calls(Mutex::new(State::NONE));

/// Calls the thread for a ring. False if there is no thread to be had at the moment.
pub(super) fn call(ring: &Arc<Ring>) -> bool {
    CALLS.call(Arc::new(Job(Arc::downgrade(ring))), start)
}

/// Where the thread is called, once there is one.
struct Calls(Mutex<State>);

struct State {
    queue: Option<Sender<Arc<Job>>>,
    /// When it could not be started.
    refused: Option<Instant>,
}

impl State {
    const NONE: Self = Self {
        queue: None,
        refused: None,
    };
}

impl Calls {
    fn call(&self, job: Arc<Job>, start: impl FnOnce() -> Option<Sender<Arc<Job>>>) -> bool {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if state.queue.is_none() {
            if state.refused.is_some_and(|at| at.elapsed() < PAUSE) {
                return false;
            }
            state.queue = start();
            state.refused = state.queue.is_none().then(Instant::now);
        }
        let called = |queue: &Sender<_>| queue.send(job).is_ok();
        state.queue.as_ref().is_some_and(called)
    }
}

fn start() -> Option<Sender<Arc<Job>>> {
    let (queue, jobs) = mpsc::channel();
    let run = move || jobs.iter().for_each(run);
    let thread = thread::Builder::new().name("bus-rouser".to_owned());
    thread.spawn(run).ok().map(|_| queue)
}

fn run(job: Arc<Job>) {
    // What is dropped in there may be somebody else's too.
    let _ = catch_unwind(AssertUnwindSafe(|| {
        let Some(ring) = job.0.upgrade() else { return };
        let rouser = Waker::from(Arc::clone(&job));
        let mut roused = Roused::All;
        // Others' wakers run in there, and other buses wait for this thread.
        delivering(|| roused = ring.rouse(LaneName::Away, rouser));
        if roused == Roused::Some {
            // Other buses have their turn first.
            job.wake();
        }
    }));
}

#[cfg(test)]
mod tests;
