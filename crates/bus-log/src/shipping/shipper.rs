//! The thread that ships.

mod look;

use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::task::Poll;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use bus_core::{SinkThread, ThreadKey};
use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::{Notify, watch};

use super::account::Told;
use super::books::{Books, Errand};
use super::{ShippingConfig, ShippingLag};
use crate::panic::caught;
use crate::replicate::{Courier, Hides, News, Pauses, Step, give_way};
use crate::{LogError, ReplicateError, Result, SessionLog};

/// How long a drop waits for a thread that does not come back from a log.
const GRACE: Duration = Duration::from_secs(5);

/// The first pause after the remote log could not be checked.
const FIRST_PAUSE: Duration = Duration::from_millis(50);

/// How long to wait before the local log is looked through again after it could not be.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// Shipped events that are given back at once, at least: a log may write a thread anew for it.
const GIVEN_BACK: u64 = 1024;

/// What the log and its shipper share.
pub(super) struct Shared {
    pub(super) local: Arc<dyn SessionLog>,
    pub(super) remote: Arc<dyn SessionLog>,
    pub(super) config: ShippingConfig,
    books: Mutex<Books>,
    /// Wakes the shipper.
    wake: Notify,
    ends: AtomicBool,
    /// Counts what was settled, for those who wait.
    moves: watch::Sender<u64>,
}

/// The running thread. Dropping it ends and joins it.
#[derive(Debug)]
pub(super) struct Shipper {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
    /// Disconnected once the thread has let go of everything.
    over: Mutex<mpsc::Receiver<()>>,
}

impl Shared {
    pub(super) fn new(
        local: Arc<dyn SessionLog>,
        remote: Arc<dyn SessionLog>,
        config: ShippingConfig,
    ) -> Self {
        Self {
            local,
            remote,
            books: Mutex::new(Books::new(config.budget, config.longest_pause)),
            config,
            wake: Notify::new(),
            ends: AtomicBool::new(false),
            moves: watch::Sender::new(0),
        }
    }

    pub(super) fn books(&self) -> MutexGuard<'_, Books> {
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks for a look through the local log and a check of the remote one that begin from now on; returns their numbers.
    pub(super) fn want_look(&self) -> (u64, u64) {
        let wanted = {
            let mut books = self.books();
            (books.want_look(), books.want_check())
        };
        self.wake.notify_one();
        wanted
    }

    /// Does something with the books, and wakes the shipper if it says so.
    pub(super) fn tell(&self, change: impl FnOnce(&mut Books) -> bool) {
        let wake = change(&mut self.books());
        if wake {
            self.wake.notify_one();
        }
    }

    pub(super) fn lag(&self) -> ShippingLag {
        self.books().lag(Instant::now())
    }

    /// Hears of every change that somebody may wait for.
    pub(super) fn moves(&self) -> watch::Receiver<u64> {
        self.moves.subscribe()
    }

    fn settled(&self) {
        self.moves.send_modify(|moves| *moves += 1);
    }

    /// Ships until it is told to end.
    async fn run(self: &Arc<Self>) {
        let mut jobs: FuturesUnordered<BoxFuture<'static, Job>> = FuturesUnordered::new();
        let mut look_at = Some(Instant::now());
        let mut check_at = look_at;
        let longest = self.config.longest_pause;
        let mut pauses = Pauses::new(FIRST_PAUSE.min(longest), longest);
        while !self.ends.load(Ordering::Acquire) {
            let now = Instant::now();
            self.books().unpark(now);
            // None while a look is under way.
            if look_at.is_some_and(|at| at <= now || self.books().wants_look()) {
                look_at = None;
                let shared = Arc::clone(self);
                jobs.push(Box::pin(async move { Job::Looked(shared.look().await) }));
            }
            // The same of a check.
            if check_at.is_some_and(|at| at <= now) && self.books().wants_check() {
                check_at = None;
                let shared = Arc::clone(self);
                jobs.push(Box::pin(async move { Job::Checked(shared.check().await) }));
            }
            let others = usize::from(look_at.is_none()) + usize::from(check_at.is_none());
            let places = self.config.threads_at_once + others;
            while jobs.len() < places {
                let errand = self.books().next(now);
                let Some(errand) = errand else { break };
                let shared = Arc::clone(self);
                jobs.push(Box::pin(async move {
                    shared.ship(errand).await;
                    Job::Shipped
                }));
            }
            // Where there is no place, nobody sets out before one is free.
            let turn = (jobs.len() < places).then(|| self.books().next_turn());
            // One that is wanted sooner is waited for with what it waits for itself.
            let check = check_at.filter(|at| *at > now);
            let wake_at = turn.flatten().into_iter().chain(look_at).chain(check);
            match self.wait(&mut jobs, wake_at.min()).await {
                Some(Job::Looked(well)) => {
                    let pause = if well {
                        self.config.look_every
                    } else {
                        LOOK_AGAIN.min(self.config.look_every)
                    };
                    look_at = Some(Instant::now() + pause);
                }
                Some(Job::Checked(true)) => {
                    pauses.reset();
                    check_at = Some(Instant::now());
                }
                Some(Job::Checked(false)) => check_at = Some(Instant::now() + pauses.take()),
                Some(Job::Shipped) | None => {}
            }
        }
    }

    /// Until a job is done, somebody calls, or it is time.
    async fn wait(
        &self,
        jobs: &mut FuturesUnordered<BoxFuture<'static, Job>>,
        wake_at: Option<Instant>,
    ) -> Option<Job> {
        let mut called = std::pin::pin!(self.wake.notified());
        let something = poll_fn(|context| {
            if !jobs.is_empty()
                && let Poll::Ready(Some(job)) = jobs.poll_next_unpin(context)
            {
                return Poll::Ready(Some(job));
            }
            called.as_mut().poll(context).map(|()| None)
        });
        match wake_at {
            None => something.await,
            Some(at) => {
                let timeout = tokio::time::timeout_at(at.into(), something).await;
                timeout.ok().flatten()
            }
        }
    }

    /// Ships what a thread has.
    async fn ship(&self, errand: Errand) {
        let Errand {
            key,
            knows,
            differed,
            was_ahead,
            had,
            idle,
        } = errand;
        let (local, remote) = (Arc::clone(&self.local), Arc::clone(&self.remote));
        let mut courier = Courier::new(local, remote, key.clone(), Hides::Erased)
            .suspecting(differed)
            .distrusting(was_ahead)
            .had_from(had);
        if let Some(last) = knows {
            courier = courier.knowing(last);
        }
        // Up to where it is shipped, and whether all of it may go.
        let mut gives = None;
        let mut shipped = 0;
        let outcome = loop {
            // Dropped, the page is there or is not: the next step looks.
            let step = tokio::time::timeout(self.config.answer_within, courier.step()).await;
            let step = step.unwrap_or_else(|_| Err(no_answer(&key, self.config.answer_within)));
            if let Some(news) = courier.news() {
                self.found(&key, &news);
            }
            match step {
                Ok(Step::Moved(moved)) => {
                    gives = Some((moved.last, false));
                    shipped += moved.last - moved.first + 1;
                    // What can be given back is, before more is sent.
                    let goes_on = self.config.keep.is_none() || shipped < GIVEN_BACK;
                    let more = self.books().moved(&key, &moved, goes_on);
                    self.settled();
                    if !more || self.ends.load(Ordering::Acquire) {
                        break Ok(());
                    }
                    give_way().await;
                }
                Ok(Step::Compared) if self.ends.load(Ordering::Acquire) => break Ok(()),
                Ok(Step::Compared) => give_way().await,
                Ok(Step::Level(level)) => {
                    self.books().level(&key, level);
                    self.settled();
                    // Of what was erased nothing is given back: it could not be told from it.
                    if level.source == level.target && level.erased == 0 {
                        gives = Some((level.target, idle));
                    }
                    break Ok(());
                }
                Err(error) => break Err(error),
            }
        };
        if let Err(error) = outcome {
            if error.is_outage() && matches!(error, ReplicateError::Target { .. }) {
                // What it took before it may have lost.
                gives = None;
            }
            let words = chain(&error);
            let told = self.books().failed(&key, error, Instant::now());
            match told {
                Told::Stopped => {
                    tracing::warn!(%key, error = %words, "a thread can't be shipped, and is left alone");
                }
                Told::Troubled => {
                    tracing::warn!(%key, error = %words, "a thread can't be shipped, and is tried again");
                }
                Told::Nothing => {}
            }
        }
        // Whatever the local log does now, the thread may set out again, and who asks whether the remote log is back.
        self.books().ended(&key);
        self.wake.notify_one();
        self.settled();
        if let Some((shipped, all)) = gives {
            self.give_back(&key, shipped, all).await;
        }
    }

    /// A courier has found something out.
    fn found(&self, key: &ThreadKey, news: &News) {
        let lost = self.books().found(key, news, Instant::now());
        if let Some(lost) = lost {
            let (first, last) = (lost.start(), lost.end());
            tracing::warn!(%key, first, last, "the remote log has lost events that it had; they are shipped again if the local log still has all of them");
        }
    }

    /// Archives in the local log what is shipped up to `shipped` and need not be kept.
    async fn give_back(&self, key: &ThreadKey, shipped: u64, all: bool) {
        let Some(keep) = self.config.keep else { return };
        let Ok(bounds) = self.answer(self.local.bounds(key)).await else {
            return;
        };
        {
            let books = self.books();
            if bounds.watermark < books.uncompared(key) || books.doubts_remote() {
                // It would be the only copy, if what is hidden there is somebody else's, or if it comes back without its end.
                return;
            }
        }
        let until = shipped.min(bounds.last.saturating_sub(keep));
        let least = if all { 1 } else { GIVEN_BACK };
        if bounds.erased || until.saturating_sub(bounds.watermark) < least {
            return;
        }
        let archived = self.answer(self.local.archive_before(key, until)).await;
        if let Err(error) = archived {
            tracing::warn!(%key, %error, "what was shipped can't be archived in the local log");
        }
    }

    /// What a log says, unless it panics or takes too long.
    async fn answer<T>(&self, call: impl Future<Output = Result<T>>) -> Result<T> {
        let within = self.config.answer_within;
        match tokio::time::timeout(within, caught(call)).await {
            Ok(said) => said.unwrap_or_else(Err),
            Err(_) => Err(late(within)),
        }
    }
}

enum Job {
    Shipped,
    /// True if all of the local log was looked through.
    Looked(bool),
    /// True if the remote log could say what it has.
    Checked(bool),
}

impl Shipper {
    /// Starts the thread.
    pub(super) fn start(shared: Arc<Shared>) -> Result<Self> {
        let failed = |error: std::io::Error| {
            LogError::internal("can't start the thread that ships").with_source(error)
        };
        let runtime = Builder::new_current_thread()
            .enable_time()
            .build()
            .map_err(failed)?;
        let (going, over) = mpsc::channel();
        let own = Arc::clone(&shared);
        let thread = std::thread::Builder::new()
            .name("bus-log-shipper".into())
            .spawn(move || {
                let _own = SinkThread::enter();
                live(&own, &runtime);
                runtime.shutdown_background();
                drop(own);
                drop::<mpsc::Sender<()>>(going);
            })
            .map_err(failed)?;
        Ok(Self {
            shared,
            thread: Some(thread),
            over: Mutex::new(over),
        })
    }

    pub(super) const fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }
}

fn live(shared: &Arc<Shared>, runtime: &Runtime) {
    // A log's panics are caught where it is called. Here those are of a `tracing` subscriber, or of a call that is
    // dropped.
    while catch_unwind(AssertUnwindSafe(|| runtime.block_on(shared.run()))).is_err() {
        shared.books().restart();
        runtime.block_on(async { tokio::time::sleep(LOOK_AGAIN).await });
    }
}

impl Drop for Shipper {
    fn drop(&mut self) {
        self.shared.ends.store(true, Ordering::Release);
        self.shared.wake.notify_one();
        let Some(thread) = self.thread.take() else {
            return;
        };
        if std::thread::current().id() == thread.thread().id() {
            return;
        }
        let over = self.over.get_mut().unwrap_or_else(PoisonError::into_inner);
        if over.recv_timeout(GRACE) == Err(mpsc::RecvTimeoutError::Timeout) {
            tracing::warn!("the shipper of a session log hangs in a log; left behind");
        } else if thread.join().is_err() {
            tracing::error!("the shipper of a session log panicked");
        }
    }
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared")
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}

fn no_answer(key: &ThreadKey, within: Duration) -> ReplicateError {
    ReplicateError::Target {
        key: key.clone(),
        error: late(within),
    }
}

fn late(within: Duration) -> LogError {
    LogError::unavailable(format!("no answer within {within:?}"))
}

/// An error, and what it comes from.
fn chain(error: &ReplicateError) -> String {
    let sources = std::iter::successors(std::error::Error::source(error), |error| error.source());
    sources.fold(error.to_string(), |words, error| {
        format!("{words}: {error}")
    })
}

/// Why something is not shipped, as an error of the log.
pub(super) fn not_shipped(message: String, why: Option<Arc<ReplicateError>>) -> LogError {
    let error = LogError::unavailable(message);
    match why {
        Some(why) => error.with_source(ReplicateError::clone(&why)),
        None => error,
    }
}
