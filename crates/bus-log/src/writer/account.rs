//! One writer's books, shared by its sinks and by what is under way for them.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::Waker;
use std::time::Instant;

use tokio::sync::Notify;

use super::LogWriterConfig;
use super::gate::{Gate, Passage};
use super::stats::{Admission, AuditStats, Ledger, Tally};

/// The books of one `LogWriter`, with those who wait for an entry in them.
#[derive(Debug)]
pub(super) struct Account {
    pub(super) config: LogWriterConfig,
    /// Counts the audit records that are under way.
    gate: Gate,
    ledger: Mutex<Ledger>,
    /// As in the ledger, to be asked for every record.
    epoch: AtomicU64,
    given_up: AtomicBool,
    /// Who waits for room in the sink's queue.
    room: Condvar,
    /// Who waits for an epoch to be settled.
    settled: Notify,
    moved: Mutex<Instant>,
}

impl Account {
    pub(super) fn new(config: LogWriterConfig) -> Arc<Self> {
        Arc::new(Self {
            config,
            gate: Gate::default(),
            ledger: Mutex::default(),
            epoch: AtomicU64::new(0),
            given_up: AtomicBool::new(false),
            room: Condvar::new(),
            settled: Notify::new(),
            moved: Mutex::new(Instant::now()),
        })
    }

    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn stats(&self) -> AuditStats {
        // Both change under this lock where a record goes from the one to the other.
        let ledger = self.ledger();
        ledger.stats(self.gate.records())
    }

    pub(super) fn admit_audit(&self, weight: usize) -> Admission {
        let LogWriterConfig {
            audit_queue,
            audit_bytes,
            ..
        } = self.config;
        let admission = match self.gate.enter(weight, audit_queue, audit_bytes) {
            Passage::In => return Admission::Taken,
            Passage::Full => Admission::Full,
            Passage::Closed => Admission::Closed,
        };
        self.ledger().refused(1);
        admission
    }

    /// Counts records that were lost before they came here.
    pub(super) fn lost_before(&self, records: u64) -> Admission {
        self.ledger().refused(records);
        if self.gate.is_closed() {
            Admission::Closed
        } else {
            Admission::Full
        }
    }

    /// Waits for room until `deadline`; not at all without one.
    pub(super) fn admit_sink(&self, weight: usize, deadline: Option<Instant>) -> Admission {
        let (most, bytes) = (self.config.sink_queue, self.config.sink_bytes);
        let mut ledger = self.ledger();
        loop {
            let admission = ledger.admit_sink(weight, most, bytes);
            let left = deadline.map(|at| at.saturating_duration_since(Instant::now()));
            match left {
                Some(left) if admission == Admission::Full && !left.is_zero() => {
                    ledger = self
                        .room
                        .wait_timeout(ledger, left)
                        .unwrap_or_else(PoisonError::into_inner)
                        .0;
                }
                _ => return admission,
            }
        }
    }

    /// Does not wait: has `room` woken once there may be room.
    pub(super) fn try_admit_sink(&self, weight: usize, room: &Waker) -> Admission {
        let (most, bytes) = (self.config.sink_queue, self.config.sink_bytes);
        let mut ledger = self.ledger();
        let admission = ledger.admit_sink(weight, most, bytes);
        if admission == Admission::Full {
            ledger.await_room(room);
        }
        admission
    }

    /// Whether there is no room for an event, of whatever weight. Then `room` is woken as by
    /// [`try_admit_sink`](Self::try_admit_sink).
    pub(super) fn lacks_room(&self, room: &Waker) -> bool {
        let (most, bytes) = (self.config.sink_queue, self.config.sink_bytes);
        let mut ledger = self.ledger();
        let is_full = ledger.is_full(most, bytes);
        if is_full {
            ledger.await_room(room);
        }
        is_full
    }

    pub(super) fn settle(&self, tally: &Tally) {
        let mut ledger = self.ledger();
        if !ledger.is_given_up() {
            let records = tally.written + tally.dropped;
            self.gate.leave(records, tally.audit_bytes);
        }
        let tell = ledger.settle(tally);
        let waiting = if tell {
            ledger.take_waiting()
        } else {
            Vec::new()
        };
        drop(ledger);
        *self.moved.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
        if tell {
            self.tell_all();
        }
        wake_all(waiting);
    }

    fn settle_unit(&self, epoch: u64) {
        let tell = self.ledger().settle_unit(epoch);
        if tell {
            self.tell_all();
        }
    }

    fn tell_all(&self) {
        self.room.notify_all();
        // Wakers are somebody else's code: one that panics must not take the log's writer with it.
        let _ = catch_unwind(AssertUnwindSafe(|| self.settled.notify_waiters()));
    }

    /// When something was last settled.
    pub(super) fn moved(&self) -> Instant {
        *self.moved.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn retried(&self) {
        self.ledger().retried();
    }

    pub(super) fn close(&self) {
        self.gate.close();
        let mut ledger = self.ledger();
        ledger.close();
        let waiting = ledger.take_waiting();
        drop(ledger);
        self.room.notify_all();
        wake_all(waiting);
    }

    pub(super) fn give_up(&self) {
        let mut ledger = self.ledger();
        ledger.give_up(self.gate.give_up());
        let waiting = ledger.take_waiting();
        drop(ledger);
        self.given_up.store(true, Ordering::Release);
        self.tell_all();
        wake_all(waiting);
    }

    pub(super) fn is_given_up(&self) -> bool {
        self.given_up.load(Ordering::Acquire)
    }

    pub(super) fn is_open(&self) -> bool {
        self.ledger().is_open()
    }

    pub(super) async fn flush(&self) {
        let begun = self.ledger().epoch();
        loop {
            let mut settled = std::pin::pin!(self.settled.notified());
            // Listens before it looks: what is settled in between is not missed.
            settled.as_mut().enable();
            if self.is_flushed(begun) {
                return;
            }
            settled.await;
        }
    }

    fn is_flushed(&self, begun: u64) -> bool {
        let mut ledger = self.ledger();
        let flushed = ledger.is_flushed(begun);
        self.epoch.store(ledger.epoch(), Ordering::Release);
        // A record that was let in just before the gate was closed may have no unit yet.
        flushed && !(self.gate.is_closed() && self.gate.records() > 0)
    }
}

/// Wakers are somebody else's code: one that panics must not take the log's writer with it.
fn wake_all(waiting: Vec<Waker>) {
    for waker in waiting {
        let _ = catch_unwind(AssertUnwindSafe(|| waker.wake()));
    }
}

/// A unit of an account's ledger, open until the last reference is dropped.
#[derive(Debug)]
pub(super) struct Unit {
    account: Arc<Account>,
    epoch: u64,
}

impl Unit {
    pub(super) fn open(account: &Arc<Account>) -> Arc<Self> {
        Arc::new(Self {
            account: Arc::clone(account),
            epoch: account.ledger().open_unit(),
        })
    }

    pub(super) fn is_of(&self, account: &Arc<Account>) -> bool {
        Arc::ptr_eq(&self.account, account)
    }

    /// True if something that comes now by `account` may be part of it.
    pub(super) fn takes(&self, account: &Arc<Account>) -> bool {
        self.is_of(account) && self.epoch == account.epoch.load(Ordering::Acquire)
    }

    pub(super) const fn account(&self) -> &Arc<Account> {
        &self.account
    }
}

impl Drop for Unit {
    fn drop(&mut self) {
        self.account.settle_unit(self.epoch);
    }
}
