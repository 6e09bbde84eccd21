//! One writer's books, shared by its sinks and by what is under way for them.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use bus_core::Completer;
use tokio::sync::Notify;

use super::LogWriterConfig;
use super::stats::{Admission, AuditStats, Epoch, Face, Ledger, Tally};

/// The books of one `LogWriter`, with those who wait for an entry in them.
#[derive(Debug)]
pub(super) struct Account {
    pub(super) config: LogWriterConfig,
    ledger: Mutex<Ledger>,
    /// As in the ledger, to be asked for every record.
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
            ledger: Mutex::default(),
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
        self.ledger().stats()
    }

    pub(super) fn admit_audit(&self) -> Admission {
        self.ledger().admit(Face::Audit, self.config.audit_queue)
    }

    /// Waits for room until `deadline`; not at all without one.
    pub(super) fn admit_sink(&self, deadline: Option<Instant>) -> Admission {
        let mut ledger = self.ledger();
        loop {
            let admission = ledger.admit(Face::Sink, self.config.sink_queue);
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

    /// Opens a unit for a gap, so that flushes wait for it.
    pub(super) fn hold(self: &Arc<Self>) -> Hold {
        let epoch = self.ledger().open_unit();
        Hold {
            account: Arc::clone(self),
            epoch,
        }
    }

    pub(super) fn settle(&self, tally: &Tally) {
        let mut ledger = self.ledger();
        let tell = ledger.settle(tally);
        drop(ledger);
        *self.moved.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
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
        self.ledger().close();
        self.room.notify_all();
    }

    pub(super) fn give_up(&self) {
        self.ledger().give_up();
        self.given_up.store(true, Ordering::Release);
        self.tell_all();
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
            if self.ledger().is_flushed(begun) {
                return;
            }
            settled.await;
        }
    }
}

/// A unit of the ledger that stays open until this is dropped.
#[derive(Debug)]
pub(super) struct Hold {
    account: Arc<Account>,
    epoch: Epoch,
}

impl Hold {
    pub(super) fn is_of(&self, account: &Arc<Account>) -> bool {
        Arc::ptr_eq(&self.account, account)
    }

    pub(super) const fn account(&self) -> &Arc<Account> {
        &self.account
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        let mut tally = Tally::default();
        tally.unit(self.epoch);
        self.account.settle(&tally);
    }
}

/// A record or event that is under way: whose it is, and who wants to know.
///
/// Dropped unsettled it counts as dropped, and its ticket fails: nobody waits for good.
#[derive(Debug)]
pub(super) struct Tag {
    /// `None` once settled.
    owner: Option<(Arc<Account>, Epoch)>,
    face: Face,
    pub(super) deadline: Option<Instant>,
    pub(super) done: Option<Completer>,
}

impl Tag {
    pub(super) fn audit(account: Arc<Account>, epoch: Epoch, done: Option<Completer>) -> Self {
        Self {
            owner: Some((account, epoch)),
            face: Face::Audit,
            deadline: None,
            done,
        }
    }

    pub(super) fn sink(
        account: Arc<Account>,
        epoch: Epoch,
        deadline: Instant,
        done: Completer,
    ) -> Self {
        Self {
            owner: Some((account, epoch)),
            face: Face::Sink,
            deadline: Some(deadline),
            done: Some(done),
        }
    }

    pub(super) const fn face(&self) -> Face {
        self.face
    }

    pub(super) fn account(&self) -> Option<&Arc<Account>> {
        self.owner.as_ref().map(|(account, _)| account)
    }

    /// True if nobody is there any more who would count it as written.
    pub(super) fn is_given_up(&self) -> bool {
        self.account().is_none_or(|account| account.is_given_up())
    }

    /// Counts a lost record as dropped and keeps its unit open, for the gap that it leaves.
    /// `None` for the sink face, whose caller is told by the ticket.
    pub(super) fn lose(mut self) -> Option<Hold> {
        if self.face == Face::Sink {
            return None;
        }
        let (account, epoch) = self.owner.take()?;
        account.settle(&Tally {
            dropped: 1,
            ..Tally::default()
        });
        Some(Hold { account, epoch })
    }

    /// Counts them all as written: one entry in the books per account and run. Their units stay
    /// open until the returned holds are dropped: tickets are told first.
    #[must_use]
    pub(super) fn settle_written<'a>(tags: impl Iterator<Item = &'a mut Self>) -> Vec<Held> {
        let mut runs: Vec<(Held, Tally)> = Vec::new();
        for tag in tags {
            let Some((account, epoch)) = tag.owner.take() else {
                continue;
            };
            if runs
                .last()
                .is_none_or(|(held, _)| !Arc::ptr_eq(&held.account, &account))
            {
                let units = Tally::default();
                runs.push((Held { account, units }, Tally::default()));
            }
            if let Some((held, tally)) = runs.last_mut() {
                held.units.unit(epoch);
                match tag.face {
                    Face::Audit => tally.written += 1,
                    Face::Sink => tally.sink += 1,
                }
            }
        }
        let settled = runs.into_iter().map(|(held, tally)| {
            held.account.settle(&tally);
            held
        });
        settled.collect()
    }
}

/// Units of many records, open until this is dropped.
#[derive(Debug)]
pub(super) struct Held {
    account: Arc<Account>,
    units: Tally,
}

impl Drop for Held {
    fn drop(&mut self) {
        self.account.settle(&self.units);
    }
}

impl Drop for Tag {
    fn drop(&mut self) {
        let Some((account, epoch)) = self.owner.take() else {
            return;
        };
        let mut tally = Tally::default();
        tally.unit(epoch);
        match self.face {
            Face::Audit => tally.dropped = 1,
            Face::Sink => tally.sink = 1,
        }
        account.settle(&tally);
    }
}
