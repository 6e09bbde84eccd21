//! The one thread that writes.

mod checkpoint;
mod group;
mod held;
mod queue;
mod rewrite;
mod threads;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use bus_log::{Completer, LogError, Result, TicketOutcome};

use crate::config::FileLogConfig;
use crate::journal::RecoveryReport;
use crate::layout::Layout;
use crate::stats::Counters;
use crate::watch::Watch;

pub(crate) use queue::{Append, Queue, Request};
use queue::{Closed, Taken};
use threads::Threads;

/// What the committer shares with those who ask it.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) layout: Layout,
    pub(crate) config: FileLogConfig,
    pub(crate) queue: Queue,
    pub(crate) watch: Watch,
    pub(crate) counters: Counters,
    pub(crate) recovery: Mutex<RecoveryReport>,
}

impl Shared {
    pub(crate) fn recovered(&self, report: RecoveryReport) {
        self.recovery
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .add(report);
    }
}

/// The running thread. Dropping it has everything written that was accepted, and joins it.
#[derive(Debug)]
pub(crate) struct Committer {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

impl Committer {
    pub(crate) fn start(shared: Arc<Shared>) -> Result<Self> {
        let own = Arc::clone(&shared);
        let thread = thread::Builder::new()
            .name("bus-log-file".to_owned())
            .spawn(move || run(&own, serve))
            .map_err(|error| LogError::unavailable("can't start a thread").with_source(error))?;
        shared.queue.serve(thread.thread().id());
        Ok(Self {
            shared,
            thread: Some(thread),
        })
    }
}

impl Committer {
    pub(crate) fn shared(&self) -> &Shared {
        &self.shared
    }
}

impl Drop for Committer {
    fn drop(&mut self) {
        self.shared.queue.close(Closed::InOrder);
        let Some(thread) = self.thread.take() else {
            return;
        };
        // The last handle may be dropped by a callback that the committer itself runs.
        if thread.thread().id() != thread::current().id() {
            // Its panic was caught and told to those who waited.
            let _ = thread.join();
        }
    }
}

fn run(shared: &Arc<Shared>, serve: impl FnOnce(&Shared, &mut Threads)) {
    let mut threads = Threads::new(Arc::clone(shared));
    let served = catch_unwind(AssertUnwindSafe(|| serve(shared, &mut threads)));
    if served.is_err() {
        // Whoever waits in the queue is told by the drop of their completers. What is in the journal
        // is recovered by whoever opens the log next: its locks keep our name.
        tracing::error!("the log's writer panicked; the log takes nothing any more");
        shared.queue.close(Closed::Failed);
    }
}

fn serve(shared: &Shared, threads: &mut Threads) {
    loop {
        match shared.queue.take(shared.config.group_bytes, threads.nap()) {
            Taken::Requests(requests) => serve_all(threads, requests),
            Taken::Nothing => threads.let_idle_go(),
            Taken::Closed => return threads.close(),
        }
    }
}

/// Appends are gathered into groups; what rewrites a session waits for those before it.
fn serve_all(threads: &mut Threads, requests: Vec<Request>) {
    let mut appends = Vec::new();
    for request in requests {
        match request {
            Request::Append(append) => appends.push(append),
            Request::Archive {
                key,
                watermark,
                reply,
            } => {
                threads.commit(std::mem::take(&mut appends));
                tell(reply, threads.archive(&key, watermark).map(Some));
            }
            Request::Erase { key, reply } => {
                threads.commit(std::mem::take(&mut appends));
                tell(reply, threads.erase(&key).map(|()| None));
            }
        }
    }
    threads.commit(appends);
    threads.let_idle_go();
}

/// Tells an outcome. A callback that panics is its owner's trouble, not the log's.
fn tell(reply: Completer, outcome: Result<Option<u64>>) {
    let outcome: TicketOutcome = outcome.map_err(Into::into);
    if catch_unwind(AssertUnwindSafe(|| reply.complete(outcome))).is_err() {
        tracing::warn!("a callback of a ticket panicked");
    }
}

#[cfg(test)]
mod tests;
