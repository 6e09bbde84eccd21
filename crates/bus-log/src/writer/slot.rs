//! One thread of the log, as the sinks see it: its key and what waits for it.

use std::cell::Cell;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError, TryLockError};
use std::time::Instant;

use bus_core::{Completer, ThreadKey};
use tokio::sync::Notify;

use super::account::Account;
use super::pack::Record;
use super::queue::{Backlog, LARGE, Pool, Queue};
use super::stats::Admission;
use super::tag::{Tag, Until};
use crate::Entry;
use crate::sync::{AtomicU64, AtomicUsize, Mutex, MutexGuard, OnceLock};

/// Queues besides the first, once callers get in each other's way.
const MORE_QUEUES: usize = 7;

/// The place where sinks and the writer of one key meet.
///
/// Callers on many threads push into queues of their own, most of the time: one lock for all costs
/// each of them several times what it does. What they push has a *place* in the one order, and the
/// writer takes all queues at once and merges them. Whoever pushes draws its place while it has the
/// lock of a queue: so a place that was drawn before the writer has all locks is in what it takes.
#[derive(Debug)]
pub(super) struct Slot {
    pub(super) key: ThreadKey,
    /// No other slot of this process has it, or had it.
    pub(super) number: u64,
    first: Apart<Mutex<Queue>>,
    more: OnceLock<Box<[Apart<Mutex<Queue>>]>>,
    /// The next place.
    place: Apart<AtomicU64>,
    writer: AtomicUsize,
    /// The thread's last ordinal as far as known.
    last: Mutex<Option<u64>>,
    pool: Arc<Pool>,
    /// Wakes the key's writer.
    pub(super) nudge: Notify,
}

/// On cache lines of its own.
#[derive(Debug)]
#[repr(align(64))]
struct Apart<T>(T);

/// What the key's writer is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Writer {
    /// There is none: it has to be started.
    Absent,
    /// It looks at the queues before it rests.
    Busy,
    /// It rests, and has to be woken for whatever comes.
    Resting,
    /// It rests, will look by itself soon, and is woken only for what somebody waits for.
    Lingering,
}

/// What became of a record that was handed to a slot.
pub(super) struct Pushed {
    /// The key's writer has to be started.
    pub(super) start: bool,
    /// Who has to be told that it was not taken, and why.
    pub(super) refused: Option<(Completer, Admission)>,
}

impl Slot {
    pub(super) fn new(key: ThreadKey, pool: Arc<Pool>) -> Self {
        // Not one of a model's.
        static LAST: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);
        Self {
            key,
            number: LAST.fetch_add(1, Ordering::Relaxed) + 1,
            first: Apart(Mutex::new(Queue::new(Arc::clone(&pool)))),
            more: OnceLock::new(),
            place: Apart(AtomicU64::new(0)),
            writer: AtomicUsize::new(Writer::Absent as usize),
            last: Mutex::new(None),
            pool,
            nudge: Notify::new(),
        }
    }

    /// A queue that nobody else is at, if there is one.
    fn queue(&self) -> MutexGuard<'_, Queue> {
        let Some(more) = self.more.get() else {
            if let Some(first) = try_lock(&self.first.0) {
                return first;
            }
            // With the lock of the first, and for those who come later: a writer that has the first
            // and sees no others has all there are.
            let first = lock(&self.first.0);
            let more = || Apart(Mutex::new(Queue::new(Arc::clone(&self.pool))));
            self.more
                .get_or_init(|| (0..MORE_QUEUES).map(|_| more()).collect());
            return first;
        };
        // A thread that comes back finds its own in its cache.
        let own = number_of_thread();
        let queues = (0..=MORE_QUEUES).map(|n| match (own + n) % (MORE_QUEUES + 1) {
            0 => &self.first.0,
            n => &more[n - 1].0,
        });
        let mut free = queues.clone().filter_map(try_lock);
        match (free.next(), queues.clone().next()) {
            (Some(queue), _) => queue,
            // The writer has them all, for a moment.
            (None, Some(own)) => lock(own),
            (None, None) => lock(&self.first.0),
        }
    }

    /// All queues, which nobody can push into then, nor into any that are made later.
    fn queues(&self) -> Vec<MutexGuard<'_, Queue>> {
        let mut queues = vec![lock(&self.first.0)];
        queues.extend(
            self.more
                .get()
                .into_iter()
                .flatten()
                .map(|more| lock(&more.0)),
        );
        queues
    }

    /// Takes a record made at `at`, in microseconds since 1970, if `account` lets it in, and notes its
    /// loss if not: whether a record is lost, and where, is decided at one time.
    pub(super) fn pack(
        &self,
        account: &Arc<Account>,
        at: i64,
        record: &Record<'_>,
        done: Option<Completer>,
    ) -> Pushed {
        let weight = record.weight();
        // Others must not wait while a long text is copied.
        let large = (weight > LARGE).then(|| {
            let mut written = Vec::with_capacity(weight);
            record.write(at, &mut written);
            written
        });
        self.admit(account, weight, done, |queue, place, done| {
            queue.pack(account, place, at, record, (weight, large), done);
        })
    }

    /// As [`pack`](Self::pack), of a record that can't be packed, which weighs `weight`.
    pub(super) fn push_record(
        &self,
        account: &Arc<Account>,
        entry: Entry,
        weight: usize,
        done: Option<Completer>,
    ) -> Pushed {
        self.admit(account, weight, done, |queue, place, done| {
            queue.push_record(account, place, entry, weight, done);
        })
    }

    fn admit(
        &self,
        account: &Arc<Account>,
        weight: usize,
        done: Option<Completer>,
        push: impl FnOnce(&mut Queue, u64, Option<Completer>),
    ) -> Pushed {
        let awaited = done.is_some();
        let mut queue = self.queue();
        match account.admit_audit(weight) {
            Admission::Taken => {
                push(&mut queue, self.take_place(), done);
                drop(queue);
                Pushed {
                    start: self.wake(awaited, false),
                    refused: None,
                }
            }
            Admission::Full => {
                queue.push_lost(account, self.next_place(), 1);
                drop(queue);
                Pushed {
                    start: self.wake(false, false),
                    refused: done.map(|done| (done, Admission::Full)),
                }
            }
            Admission::Closed => Pushed {
                start: false,
                refused: done.map(|done| (done, Admission::Closed)),
            },
        }
    }

    /// Takes an event of `account`'s sink face, which it has let in and which weighs `weight`. True if
    /// the key's writer has to be started.
    #[must_use]
    pub(super) fn push_event(
        &self,
        account: &Arc<Account>,
        entry: Entry,
        weight: usize,
        until: Until,
        done: Completer,
    ) -> bool {
        let mut queue = self.queue();
        let place = self.take_place();
        let sooner = queue.push_event(account, place, entry, weight, (until, done));
        drop(queue);
        self.wake(true, sooner)
    }

    /// Notes that `lost` records were lost here. True if the key's writer has to be started.
    #[must_use]
    pub(super) fn push_lost(&self, account: &Arc<Account>, lost: u64) -> bool {
        let mut queue = self.queue();
        if account.lost_before(lost) == Admission::Closed {
            return false;
        }
        queue.push_lost(account, self.next_place(), lost);
        drop(queue);
        self.wake(false, false)
    }

    /// The same while the log has no thread. Nobody waits for the gap, and no writer is asked for: whoever pushes next has
    /// it taken along.
    pub(super) fn keep_lost(&self, account: &Account, lost: u64) {
        let mut queue = self.queue();
        if account.lost_before(lost) == Admission::Full {
            queue.keep_lost(self.next_place(), lost);
        }
    }

    /// Sees to it that the writer looks at what was [kept](Self::keep_lost). True if it has to be started.
    #[must_use]
    pub(super) fn wakes_for_lost(&self) -> bool {
        self.wake(false, false)
    }

    /// Draws a place, with the lock of a queue. Only a number: what goes with it is under the lock.
    fn take_place(&self) -> u64 {
        self.place.0.fetch_add(1, Ordering::Relaxed)
    }

    /// The place that is drawn next: what was drawn before, by whoever this caller knows of, is less.
    fn next_place(&self) -> u64 {
        self.place.0.load(Ordering::Relaxed)
    }

    /// Sees to it that the writer looks at what was pushed. True if it has to be started.
    fn wake(&self, awaited: bool, sooner: bool) -> bool {
        // The lock of a queue was held since the writer last said what it does, had it looked before.
        let before = self.writer();
        let nudge = match before {
            Writer::Absent | Writer::Resting if !self.turns_busy(before) => return false,
            Writer::Absent => return true,
            Writer::Resting => true,
            Writer::Lingering => awaited && self.turns_busy(before),
            // It may be waiting for the log, and does not know of this deadline.
            Writer::Busy => sooner,
        };
        if nudge {
            self.nudge.notify_one();
        }
        false
    }

    fn writer(&self) -> Writer {
        let all = [
            Writer::Absent,
            Writer::Busy,
            Writer::Resting,
            Writer::Lingering,
        ];
        all[self.writer.load(Ordering::Acquire) % all.len()]
    }

    /// False if another caller was faster, and has seen to it.
    fn turns_busy(&self, before: Writer) -> bool {
        self.writer
            .compare_exchange(
                before as usize,
                Writer::Busy as usize,
                Ordering::AcqRel,
                Ordering::Relaxed,
            )
            .is_ok()
    }

    /// Takes all that waits, if `backlog` is empty.
    pub(super) fn refill(&self, backlog: &mut Backlog) {
        if backlog.is_empty() {
            let mut queues = self.queues();
            backlog.swap(queues.iter_mut().map(|queue| &mut **queue));
        }
    }

    /// When the first of what waits is too late to be tried, or earlier.
    pub(super) fn earliest(&self) -> Option<Instant> {
        let queues = self.queues();
        queues.iter().filter_map(|queue| queue.earliest()).min()
    }

    /// Takes out what is too late to be tried.
    pub(super) fn expired(&self, now: Instant) -> Vec<Tag> {
        let mut queues = self.queues();
        let expired = queues.iter_mut().map(|queue| queue.expired(now));
        expired.flatten().collect()
    }

    pub(super) fn last(&self) -> Option<u64> {
        *lock(&self.last)
    }

    /// Says what the key's writer does next; false, and it stays busy, if something waits.
    pub(super) fn rest(&self, how: Writer, last: Option<u64>) -> bool {
        *lock(&self.last) = last;
        // Said with all locks: whoever pushes later hears of it.
        let mut queues = self.queues();
        let is_empty = queues.iter().all(|queue| queue.is_empty());
        let does = if is_empty { how } else { Writer::Busy };
        self.writer.store(does as usize, Ordering::Release);
        if is_empty && how == Writer::Absent {
            for queue in &mut queues {
                queue.release();
            }
        }
        is_empty
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn try_lock<T>(mutex: &Mutex<T>) -> Option<MutexGuard<'_, T>> {
    match mutex.try_lock() {
        Ok(guard) => Some(guard),
        Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
        Err(TryLockError::WouldBlock) => None,
    }
}

/// Tells threads apart, one that ends excepted.
fn number_of_thread() -> usize {
    static NEXT: std::sync::atomic::AtomicUsize = std::sync::atomic::AtomicUsize::new(0);
    thread_local! {
        static NUMBER: Cell<Option<usize>> = const { Cell::new(None) };
    }
    let number = NUMBER.try_with(|number| {
        number.get().unwrap_or_else(|| {
            let new = NEXT.fetch_add(1, Ordering::Relaxed);
            number.set(Some(new));
            new
        })
    });
    number.unwrap_or(0)
}

#[cfg(all(test, loom))]
mod models;
#[cfg(all(test, not(loom)))]
mod tests;
