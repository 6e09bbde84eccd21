//! Committing: see `docs/adr/0006-whoever-waits-commits.md`.
//!
//! | stage | in |
//! |---|---|
//! | accept: requests wait in their order, or are acknowledged at once | `queue`, `early` |
//! | commit: who does it, with whom, where each batch goes, one frame and its sync | `driver`, `cohort`, `plan`, `group`, `commit` |
//! | show: lines into session files that this process owns | `held`, `owned` |
//! | tell: tickets, tasks and callbacks | `tell` |
//! | in the background: session files made durable, what is owed, refused or waited for | `keeper`, `checkpoint`, `flush`, `behind`, `again` |
//! | alone with everything: archive, erase, what readers found, letting go, closing | `whole`, `rewrite`, `found` |
//!
//! Locks are taken in this order: `writer`, `plan`, `files`, then those of queue, keeper and teller, which are
//! held for no call of anybody else. Callbacks and wakers run under none of them.

mod again;
mod behind;
mod checkpoint;
mod cohort;
mod commit;
mod driver;
mod early;
mod flush;
mod found;
mod group;
mod held;
mod keeper;
mod owned;
mod plan;
mod queue;
mod request;
mod rewrite;
mod tell;
mod whole;

use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};
use std::thread::{self, JoinHandle};

use bus_log::{LogError, Result, SinkThread, Ticket};

use crate::config::FileLogConfig;
use crate::journal::{Journal, RecoveryReport};
use crate::layout::Layout;
use crate::stats::Counters;
use crate::watch::Watch;

use behind::Behind;
use cohort::Cohort;
use flush::Owed;
pub(crate) use found::PATIENCE;
use keeper::Keeper;
use owned::Files;
use plan::Plan;
use queue::{Closed, Queue};
pub(crate) use request::{Append, Request};
pub(crate) use tell::outcome;
use tell::{Item, Reply, Tell};

/// Threads of the log that commit for those who can't: one syncs while the other shows.
const SERVERS: usize = 2;

/// What all who commit share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) layout: Layout,
    pub(crate) config: FileLogConfig,
    pub(crate) queue: Queue,
    pub(crate) watch: Arc<Watch>,
    pub(crate) counters: Arc<Counters>,
    recovery: Mutex<RecoveryReport>,
    /// Whoever has it commits.
    writer: Mutex<Writer>,
    plan: Mutex<Plan>,
    /// How often `plan` is held for long.
    busy: AtomicUsize,
    files: Mutex<Files>,
    tell: Arc<Tell>,
    keeper: Keeper,
    behind: Behind,
    cohort: Cohort,
}

/// What is written by whoever commits.
#[derive(Debug, Default)]
struct Writer {
    /// Made with the first session that is written.
    journal: Option<Journal>,
    /// Segments that ended, whose session files the keeper is to make durable.
    ended: Vec<u64>,
    /// The last checkpoint failed: the journal grows, rather than recording stops.
    grows: bool,
    /// What was told before it was durable.
    owed: Vec<Owed>,
}

impl Shared {
    pub(crate) fn new(
        layout: Layout,
        config: FileLogConfig,
        watch: Arc<Watch>,
        report: RecoveryReport,
    ) -> Self {
        Self {
            layout,
            queue: Queue::new(config.queue_bytes),
            config,
            watch,
            counters: Arc::default(),
            recovery: Mutex::new(report),
            writer: Mutex::default(),
            plan: Mutex::default(),
            busy: AtomicUsize::new(0),
            files: Mutex::default(),
            tell: Arc::default(),
            keeper: Keeper::default(),
            behind: Behind::default(),
            cohort: Cohort::default(),
        }
    }

    pub(crate) fn recovery(&self) -> RecoveryReport {
        *lock(&self.recovery)
    }

    fn recovered(&self, report: RecoveryReport) {
        lock(&self.recovery).add(report);
    }

    /// A ticket, and who is to be told what it waits for.
    pub(crate) fn ticket(self: &Arc<Self>) -> (Ticket, Reply) {
        let (ticket, completer) = Ticket::pending_driven(Arc::clone(self) as _);
        (ticket, self.tell.reply(completer))
    }

    /// Queues a request, waiting for room, but neither in a callback nor on a thread that works for a log, where a `tracing`
    /// subscriber may submit while we hold locks of ours: nobody else may make it.
    pub(crate) fn push(&self, request: Request) -> Result<()> {
        let gives_room = || self.tell.is_me() || SinkThread::is_current();
        self.queue.push(request, gives_room)
    }

    /// As [`push`](Self::push), for a task.
    pub(crate) async fn push_async(&self, request: Request) -> Result<()> {
        self.queue.push_async(request, || self.tell.is_me()).await
    }

    /// As [`push`](Self::push), for a caller that has the waker woken when there may be room.
    pub(crate) fn try_push(&self, request: Request, room: &Waker) -> Poll<Result<()>> {
        self.queue.try_push(request, room, || self.tell.is_me())
    }

    /// Whether there is no room for the smallest request; then the waker is woken when there may be.
    pub(crate) fn lacks_room(&self, room: &Waker) -> bool {
        self.queue.lacks_room(room, || self.tell.is_me())
    }

    fn plan(&self) -> MutexGuard<'_, Plan> {
        self.lock_sound(&self.plan)
    }

    fn files(&self) -> MutexGuard<'_, Files> {
        self.lock_sound(&self.files)
    }

    /// Locks what a panic under the lock may have left half done. Then the log is closed before anybody sees it: whoever
    /// panicked may not have come to closing it yet.
    fn lock_sound<'s, T>(&'s self, mutex: &'s Mutex<T>) -> MutexGuard<'s, T> {
        mutex.lock().unwrap_or_else(|poisoned| {
            self.close(Closed::Failed);
            poisoned.into_inner()
        })
    }

    /// Takes nothing any more. Those who wait in vain are told by whoever tells next.
    fn close(&self, closed: Closed) {
        let (wakers, requests) = self.queue.close(closed);
        let wakers = wakers.into_iter().map(Item::Wake);
        let requests = requests.into_iter();
        let outcomes = requests.filter_map(|request| request.into_reply().with(Err(closed.into())));
        self.tell.push(wakers.chain(outcomes));
    }
}

/// Locks what is sound also after a panic.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The log's threads. Dropping it has everything written that was accepted, and joins them.
#[derive(Debug)]
pub(crate) struct Committer {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

impl Committer {
    pub(crate) fn start(shared: Arc<Shared>) -> Result<Self> {
        let mut committer = Self {
            shared: Arc::clone(&shared),
            threads: Vec::new(),
        };
        let own = Arc::clone(&shared);
        committer.spawn("bus-file-1", move || {
            own.serve();
            own.shut();
        })?;
        for _ in 1..SERVERS {
            let own = Arc::clone(&shared);
            committer.spawn("bus-file-2", move || own.serve())?;
        }
        committer.spawn("bus-file-keeper", move || shared.keep_files())?;
        Ok(committer)
    }

    /// Dropped half made, it ends those threads that run. Of a name Linux keeps 15 bytes.
    fn spawn(&mut self, name: &str, run: impl FnOnce() + Send + 'static) -> Result<()> {
        let thread = thread::Builder::new()
            .name(name.to_owned())
            .spawn(move || {
                let _own = SinkThread::enter();
                run();
            })
            .map_err(|error| LogError::unavailable("can't start a thread").with_source(error))?;
        self.threads.push(thread);
        Ok(())
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }
}

impl Drop for Committer {
    fn drop(&mut self) {
        self.shared.close(Closed::InOrder);
        // The last handle may be dropped by a callback, which the others may have to wait for, and on one of these threads,
        // which can't wait for itself.
        let here = thread::current().id();
        let is_here = |thread: &JoinHandle<()>| thread.thread().id() == here;
        if self.shared.tell.is_me() || self.threads.iter().any(is_here) {
            return;
        }
        for thread in self.threads.drain(..) {
            // Its panic was caught and told to those who waited.
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests;
