//! The rouser of receivers that no task of ours can wake: a thread that all buses of the process
//! share, started when one of them first needs it.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{self, Sender};
use std::sync::{Arc, OnceLock, Weak};
use std::task::{Wake, Waker};
use std::thread;

use super::Ring;
use super::parked::LaneName;
use super::rouser::Roused;

/// A ring whose away lane is to be roused. Its waker puts it in the thread's queue.
struct Job(Weak<Ring>);

impl Wake for Job {
    fn wake(self: Arc<Self>) {
        // The thread never ends: nothing takes its queue from it.
        let _ = queue().is_some_and(|queue| queue.send(self).is_ok());
    }
}

/// Calls the thread for a ring. False if there is no thread to be had.
pub(super) fn call(ring: &Arc<Ring>) -> bool {
    let job = Arc::new(Job(Arc::downgrade(ring)));
    queue().is_some_and(|queue| queue.send(job).is_ok())
}

fn queue() -> Option<&'static Sender<Arc<Job>>> {
    static QUEUE: OnceLock<Option<Sender<Arc<Job>>>> = OnceLock::new();
    let start = || {
        let (queue, jobs) = mpsc::channel();
        let run = move || jobs.iter().for_each(run);
        let thread = thread::Builder::new().name("bus-rouser".to_owned());
        thread.spawn(run).ok().map(|_| queue)
    };
    QUEUE.get_or_init(start).as_ref()
}

fn run(job: Arc<Job>) {
    // What is dropped in there may be somebody else's too.
    let _ = catch_unwind(AssertUnwindSafe(|| {
        let Some(ring) = job.0.upgrade() else { return };
        let rouser = Waker::from(Arc::clone(&job));
        if ring.rouse(LaneName::Away, rouser) == Roused::Some {
            // Other buses have their turn first.
            job.wake();
        }
    }));
}
