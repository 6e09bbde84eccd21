//! The one thread per log that does all its writing.

mod start;

use std::cell::Cell;
use std::collections::HashMap;
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError, Weak};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use bus_core::{SinkThread, ThreadKey};
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::sync::{Notify, Semaphore, watch};

use super::commit;
use super::config::CALLS_IN_FLIGHT;
use super::queue::Pool;
use super::slot::Slot;
use crate::weak_map::WeakMap;
use crate::{Followers, SessionLog};
use start::{PAUSE, SHORT_PAUSE, Start};

/// Every log that is being written, by its address: which stays its own as long as the entry's
/// thread, which holds the log, is there.
static LOGS: LazyLock<Mutex<HashMap<usize, Weak<LogThread>>>> = LazyLock::new(Mutex::default);

thread_local! {
    /// The address of the `Shared` whose thread this is; 0 on all others.
    static WRITER: Cell<usize> = const { Cell::new(0) };
}

/// True on the thread of whichever log.
pub(super) fn is_writer() -> bool {
    WRITER
        .try_with(|address| address.get() != 0)
        .unwrap_or(false)
}

/// How long past its time a drop waits for a thread that does not come back from the log.
const GRACE: Duration = Duration::from_secs(1);

/// Time at the end for what no flush waits for: a gap that the log has refused before.
const LAST_TRY: Duration = Duration::from_millis(500);

/// A log and its thread. Dropping the last reference writes what is left and joins the thread.
#[derive(Debug)]
pub(super) struct LogThread {
    shared: Arc<Shared>,
    running: Mutex<Option<Running>>,
    /// How long to wait at the end for a log that settles nothing.
    patience: Mutex<Duration>,
}

#[derive(Debug)]
struct Running {
    thread: JoinHandle<()>,
    /// Disconnected once the thread has let go of everything.
    over: mpsc::Receiver<()>,
}

/// What the thread and its log's sinks share.
pub(super) struct Shared {
    pub(super) log: Arc<dyn SessionLog>,
    followers: Followers,
    slots: Mutex<WeakMap<ThreadKey, Slot>>,
    pub(super) pool: Arc<Pool>,
    start: Start,
    pub(super) calls: Semaphore,
    pub(super) phase: watch::Sender<Phase>,
    /// Keys whose writer is not done.
    busy: AtomicUsize,
    quiet: Notify,
    /// When something was last settled.
    moved: Mutex<Instant>,
}

/// How far the thread is on its way to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd)]
pub(super) enum Phase {
    Running,
    /// Nothing comes any more: write what is left.
    Draining,
    /// Give up what is left.
    Abandoning,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl LogThread {
    /// The thread of `log`: the one there is, or a new one, which starts with the first record.
    pub(super) fn of(log: Arc<dyn SessionLog>) -> Arc<Self> {
        let address = address(&log);
        let mut logs = lock(&LOGS);
        if let Some(thread) = logs.get(&address).and_then(Weak::upgrade) {
            return thread;
        }
        let thread = Arc::new(Self {
            shared: Arc::new(Shared::new(log)),
            running: Mutex::default(),
            patience: Mutex::default(),
        });
        logs.insert(address, Arc::downgrade(&thread));
        thread
    }

    pub(super) fn slot(&self, key: ThreadKey) -> Arc<Slot> {
        let new = || Slot::new(key.clone(), Arc::clone(&self.shared.pool));
        lock(&self.shared.slots).get_or_insert_with(&key, new)
    }

    pub(super) fn followers(&self) -> &Followers {
        &self.shared.followers
    }

    pub(super) fn runs(&self) -> bool {
        self.shared.start.runs()
    }

    /// Says why the thread does not run, if it does not. Starts nothing: for callers who hold a lock that others wait for.
    pub(super) fn runs_or_why(&self) -> io::Result<()> {
        self.shared.start.runs_or_why()
    }

    /// Sees to it that the thread runs, before anything is pushed. Nobody else's code runs in here: callers may hold
    /// locks of their own. One that could not be started is not asked for again for a second.
    pub(super) fn ensure(&self) -> io::Result<()> {
        self.shared.start.ensure(PAUSE, || self.spawn())
    }

    /// The same for an event that somebody waits for: it asks again after 10 ms.
    pub(super) fn ensure_for_event(&self) -> io::Result<()> {
        self.shared.start.ensure(SHORT_PAUSE, || self.spawn())
    }

    /// As [`ensure`](Self::ensure), for those whom nobody tells what became of their records.
    pub(super) fn ensure_or_warn(&self) -> bool {
        let ensured = self.ensure();
        if let Err(error) = &ensured
            && self.shared.start.is_to_be_said()
        {
            tracing::warn!(%error, "can't start the writer of a session log");
        }
        ensured.is_ok()
    }

    /// Starts the writer of a key, which has something to do.
    pub(super) fn start(&self, slot: &Arc<Slot>) {
        let handle = self.shared.start.handle();
        let Some(handle) = handle else {
            debug_assert!(false, "a writer is asked for only once the thread runs");
            return;
        };
        self.shared.busy.fetch_add(1, Ordering::AcqRel);
        let guard = Busy(Arc::clone(&self.shared));
        let slot = Arc::clone(slot);
        handle.spawn(async move { commit::run(&guard.0, slot).await });
    }

    fn spawn(&self) -> io::Result<Handle> {
        let own = Builder::new_current_thread().enable_all().build()?;
        let handle = own.handle().clone();
        let shared = Arc::clone(&self.shared);
        let (going, over) = mpsc::channel();
        let own = Arc::new(Mutex::new(Some(own)));
        let given = Arc::clone(&own);
        let spawned = thread::Builder::new()
            .name("bus-log-writer".into())
            .spawn(move || {
                let own = lock(&given).take();
                if let Some(own) = own {
                    shared.run(own);
                }
                drop(shared);
                drop::<mpsc::Sender<()>>(going);
            });
        let thread = match spawned {
            Ok(thread) => thread,
            Err(error) => {
                // A runtime that is merely dropped panics within another one.
                if let Some(own) = lock(&own).take() {
                    own.shutdown_background();
                }
                return Err(error);
            }
        };
        *lock(&self.running) = Some(Running { thread, over });
        Ok(handle)
    }

    /// True on the thread itself, where waiting for it would never end.
    pub(super) fn is_current(&self) -> bool {
        WRITER.get() == Arc::as_ptr(&self.shared) as usize
    }

    /// Says how long its drop may wait for a log that settles nothing.
    pub(super) fn be_patient(&self, time: Duration) {
        let mut patience = lock(&self.patience);
        *patience = time.max(*patience);
    }
}

impl Drop for LogThread {
    fn drop(&mut self) {
        let mut logs = lock(&LOGS);
        let address = address(&self.shared.log);
        if logs
            .get(&address)
            .is_some_and(|known| std::ptr::eq(known.as_ptr(), self))
        {
            logs.remove(&address);
        }
        drop(logs);
        let Some(running) = lock(&self.running).take() else {
            return;
        };
        let patience = lock(&self.patience).max(LAST_TRY);
        self.shared.end(patience);
        if is_writer() || SinkThread::is_current() {
            // Writers must not wait for each other, nor one for itself, nor may a thread that the log itself needs for what
            // is left: it ends by itself.
            return;
        }
        loop {
            let deadline = self.shared.deadline(patience) + GRACE;
            let left = deadline.saturating_duration_since(Instant::now());
            match running.over.recv_timeout(left) {
                Err(RecvTimeoutError::Timeout) if left.is_zero() => {
                    tracing::warn!("the writer of a session log hangs in the log; left behind");
                    return;
                }
                Err(RecvTimeoutError::Timeout) => {}
                Ok(()) | Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        if running.thread.join().is_err() {
            tracing::error!("the writer of a session log panicked");
        }
    }
}

impl Shared {
    fn new(log: Arc<dyn SessionLog>) -> Self {
        Self {
            followers: Followers::new(Arc::clone(&log)),
            log,
            slots: Mutex::default(),
            pool: Arc::default(),
            start: Start::default(),
            calls: Semaphore::new(CALLS_IN_FLIGHT),
            phase: watch::Sender::new(Phase::Running),
            busy: AtomicUsize::new(0),
            quiet: Notify::new(),
            moved: Mutex::new(Instant::now()),
        }
    }

    /// Notes that something was settled.
    pub(super) fn moves(&self) {
        *lock(&self.moved) = Instant::now();
    }

    fn deadline(&self, patience: Duration) -> Instant {
        *lock(&self.moved) + patience
    }

    /// Asks the thread to end.
    fn end(self: &Arc<Self>, patience: Duration) {
        self.moves();
        self.phase.send_replace(Phase::Draining);
        let Some(handle) = self.start.take_handle() else {
            return;
        };
        let shared = Arc::clone(self);
        handle.spawn(async move {
            while !shared.is_quiet_by(shared.deadline(patience)).await {
                if Instant::now() >= shared.deadline(patience) {
                    shared.phase.send_replace(Phase::Abandoning);
                    break;
                }
            }
        });
    }

    /// The thread's life.
    fn run(self: &Arc<Self>, runtime: Runtime) {
        WRITER.set(Arc::as_ptr(self) as usize);
        let own = SinkThread::enter();
        let mut phase = self.phase.subscribe();
        runtime.block_on(async {
            // The sender is ours: it can't be gone.
            let _ = phase.wait_for(|phase| *phase >= Phase::Draining).await;
            while !self.is_quiet_by(Instant::now() + GRACE).await {}
        });
        // What a log left on the runtime ends before the log does.
        runtime.shutdown_timeout(GRACE);
        // What the log drops with it may be waited for.
        drop(own);
        WRITER.set(0);
    }

    async fn is_quiet_by(&self, deadline: Instant) -> bool {
        let mut quiet = std::pin::pin!(self.quiet.notified());
        quiet.as_mut().enable();
        self.busy.load(Ordering::Acquire) == 0
            || tokio::time::timeout_at(deadline.into(), quiet)
                .await
                .is_ok_and(|()| self.busy.load(Ordering::Acquire) == 0)
    }
}

/// A key's writer counts as busy until this is dropped.
struct Busy(Arc<Shared>);

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.busy.fetch_sub(1, Ordering::AcqRel);
        self.0.quiet.notify_waiters();
    }
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared")
            .field("busy", &self.busy)
            .finish_non_exhaustive()
    }
}

fn address(log: &Arc<dyn SessionLog>) -> usize {
    Arc::as_ptr(log).cast::<()>() as usize
}

#[cfg(test)]
mod tests;
