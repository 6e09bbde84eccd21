//! Writing one thread's events: in order, each once, whatever the log says.
//!
//! Every append says [`Expect::Last`], so that one whose outcome is unknown can be tried again
//! without harm: if it had landed, the log answers with a conflict, and the events right after the
//! expected ordinal are ours. Until the log has answered, the same entries are tried again, never
//! more or fewer: an append that lands late must be one that we would recognise.

mod call;
mod give_up;
mod landed;
mod pause;

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bus_core::{Completer, TicketOutcome};
use futures_util::FutureExt;
use tokio::sync::watch;

use super::account::Account;
use super::config::{
    BATCH_BYTES, BATCH_ENTRIES, FIRST_PAUSE, GAP_TRIES, LINGER, LONGEST_GAP_PAUSE,
};
use super::error::NotDurable;
use super::queue::{Backlog, Gap, Part, Work};
use super::slot::{Slot, Writer};
use super::stats::Face;
use super::tag::Tag;
use super::thread::{Phase, Shared};
use crate::{Expect, LogError, LogErrorKind};
use call::{Failure, Outcome};

pub(super) use give_up::no_writer;

/// Writes what waits in `slot` until nothing does.
pub(super) async fn run(shared: &Arc<Shared>, slot: Arc<Slot>) {
    let mut commit = Commit::new(Arc::clone(shared), slot);
    loop {
        let turns = AssertUnwindSafe(async { while commit.turn().await {} });
        if turns.catch_unwind().await.is_ok() {
            return;
        }
        // A `tracing` subscriber panicked, say. What is at hand and what waits in the slot has no
        // other writer. Where others' code is called, what it is told of is settled before: the next
        // turn does not come to it again. Should it all the same, others have their turn.
        tokio::time::sleep(FIRST_PAUSE).await;
    }
}

struct Commit {
    shared: Arc<Shared>,
    slot: Arc<Slot>,
    phase: watch::Receiver<Phase>,
    /// Taken from the slot, not yet in `work`.
    backlog: Backlog,
    work: Work,
    /// The thread's last ordinal as far as known.
    last: Option<u64>,
    /// So many of `work` were appended after `last` with an outcome that is not known.
    doubt: Option<usize>,
    /// How many entries to try at once.
    chunk: usize,
    pause: Duration,
    /// True from a failed try to the next that succeeds.
    again: bool,
    /// What the log said last.
    trouble: Option<Arc<LogError>>,
    /// A gap that the log refused.
    stuck: Option<Gap>,
    /// How many times in a row a gap was refused.
    refusals: u32,
    /// True if it was refused since the last record.
    tried_stuck: bool,
    /// True once it is tried for the last time, as the thread is about to end.
    tried_last: bool,
    gap_pause: Duration,
}

impl Commit {
    fn new(shared: Arc<Shared>, slot: Arc<Slot>) -> Self {
        Self {
            phase: shared.phase.subscribe(),
            last: slot.last(),
            backlog: Backlog::new(Arc::clone(&shared.pool)),
            shared,
            slot,
            work: Work::default(),
            doubt: None,
            chunk: BATCH_ENTRIES,
            pause: FIRST_PAUSE,
            again: false,
            trouble: None,
            stuck: None,
            refusals: 0,
            tried_stuck: false,
            tried_last: false,
            gap_pause: FIRST_PAUSE,
        }
    }

    fn is(&self, phase: Phase) -> bool {
        *self.phase.borrow() >= phase
    }

    /// Does one thing; false once there is nothing left to do.
    async fn turn(&mut self) -> bool {
        if self.is(Phase::Abandoning) {
            return self.abandon();
        }
        if self.doubt.is_none() {
            self.drop_dead();
            while self.work.is_empty() && self.refill() {
                self.drop_dead();
            }
        }
        if self.work.is_empty() {
            return self.rest().await;
        }
        match self.last {
            None => self.ask_last().await,
            Some(last) => self.append(last).await,
        }
        true
    }

    /// Takes the next batch, if there is one.
    fn refill(&mut self) -> bool {
        if let Some(gap) = self.stuck.take_if(|_| !self.tried_stuck) {
            self.work.push_gap(gap);
            return true;
        }
        let mut bytes = BATCH_BYTES;
        // Twice: what is left of the last time, and what has come since.
        for _ in 0..2 {
            self.slot.refill(&mut self.backlog);
            let filled = self.work.fill(&mut self.backlog, BATCH_ENTRIES, bytes);
            bytes = bytes.saturating_sub(filled);
        }
        // Losses may be going on until this batch makes room: one gap for all.
        self.work.put_back_last_gap(&mut self.backlog);
        self.tried_stuck = self.work.is_empty();
        !self.work.is_empty()
    }

    /// Nothing to write: waits whether something comes, and ends if not.
    async fn rest(&mut self) -> bool {
        let draining = self.is(Phase::Draining);
        let (how, time) = match &self.stuck {
            Some(_) if draining && !self.tried_last => {
                self.tried_last = true;
                self.tried_stuck = false;
                return true;
            }
            Some(gap) if draining => {
                let lost = gap.dropped;
                // Before it is said: who hears of it may panic.
                self.stuck = None;
                let key = &self.slot.key;
                tracing::warn!(%key, lost, "the log refused to note lost audit records");
                return true;
            }
            Some(_) => (Writer::Resting, self.gap_pause),
            None if draining => return !self.slot.rest(Writer::Absent, self.last),
            None => (Writer::Lingering, LINGER),
        };
        if !self.slot.rest(how, self.last) {
            return true;
        }
        let deadline = Instant::now() + time;
        call::nap(&mut self.phase, &self.slot, deadline, Phase::Draining).await;
        self.tried_stuck = false;
        self.stuck.is_some() || !self.slot.rest(Writer::Absent, self.last)
    }

    async fn ask_last(&mut self) {
        let shared = Arc::clone(&self.shared);
        let slot = Arc::clone(&self.slot);
        // Asked from within, so that a panic before the first await is caught too.
        let ask = async { shared.log.bounds(&slot.key).await };
        match self.call(0, ask).await {
            Outcome::Stopped => {}
            Outcome::Done(Ok(bounds)) => self.last = Some(bounds.last),
            Outcome::Done(Err(failure)) if failure.is_transient() => self.failed(failure).await,
            Outcome::Done(Err(failure)) => {
                // Nothing can be appended to a thread that does not say where it ends.
                self.refused(failure);
                self.lose(self.work.len(), true);
            }
        }
    }

    /// How many entries to try: a gap is never tried apart from what follows, so that losses that
    /// follow each other become one gap.
    fn size(&self) -> usize {
        let least = if self.work.starts_with_gap() { 2 } else { 1 };
        self.chunk.max(least).min(self.work.len())
    }

    async fn append(&mut self, last: u64) {
        let shared = Arc::clone(&self.shared);
        let Some(permit) = self.permit(&shared).await else {
            return;
        };
        // Some may have expired, and were told so.
        if self.doubt.is_none() {
            self.drop_dead();
            if self.work.is_empty() {
                return;
            }
        } else if !self.work.tags().any(is_live) {
            drop(permit);
            // Nobody would count it as written: look, but don't write it again.
            self.settle_doubt(last).await;
            return;
        }
        let before = self.doubt;
        let len = before.unwrap_or_else(|| self.size());
        if self.again {
            self.count_retry(len);
        }
        // Until the log has answered: the append may be broken off.
        self.doubt = Some(len);
        let outcome = self.call_append(last, len, permit).await;
        if let Outcome::Done(Err(_)) = outcome {
            self.doubt = before;
        }
        match outcome {
            Outcome::Stopped => {}
            Outcome::Done(Ok(new)) => self.written(len, new),
            Outcome::Done(Err(failure)) => match failure.error.kind() {
                LogErrorKind::Conflict if before.is_some() => self.settle_doubt(last).await,
                LogErrorKind::Conflict => {
                    self.again = true;
                    let actual = failure.error.actual();
                    // A log that contradicts itself is asked afresh, and not at full speed.
                    self.last = actual.filter(|actual| *actual != last);
                    if self.last.is_none() {
                        self.failed(failure).await;
                    }
                }
                _ if failure.is_transient() => {
                    if failure.may_have_landed() {
                        self.doubt = Some(len);
                    }
                    self.failed(failure).await;
                }
                _ => self.rejected(last, len, failure).await,
            },
        }
    }

    /// The log refused for good: finds out which entry it was, by trying fewer.
    async fn rejected(&mut self, last: u64, len: usize, failure: Failure) {
        let whole = failure.panicked || failure.error.kind() == LogErrorKind::Closed;
        if failure.may_have_landed() || self.doubt.is_some() {
            self.doubt = Some(len);
            self.trouble = Some(Arc::new(failure.error));
            self.settle_doubt(last).await;
            if self.doubt.is_some() || self.work.is_empty() || self.last != Some(last) {
                return;
            }
        } else {
            self.refused(failure);
        }
        let least = if self.work.starts_with_gap() { 2 } else { 1 };
        if self.is_gap_alone() && self.refusals < GAP_TRIES {
            // Rather wait a little than write later records before it.
            self.refusals += 1;
            self.pause().await;
        } else if whole || len <= least {
            self.lose(len, false);
        } else {
            self.chunk = len / 2;
        }
    }

    /// Finds out whether an append after `last` has landed.
    async fn settle_doubt(&mut self, last: u64) {
        let Some(len) = self.doubt else { return };
        let shared = Arc::clone(&self.shared);
        let slot = Arc::clone(&self.slot);
        let entries = self.work.entries(len).to_vec();
        let look = landed::landed(&*shared.log, &slot.key, last, &entries);
        match self.call(len, look).await {
            Outcome::Stopped => {}
            Outcome::Done(Ok(found)) => {
                self.doubt = None;
                self.again = true;
                if found.landed {
                    self.written(len, last + len as u64);
                }
                self.last = Some(found.last);
            }
            Outcome::Done(Err(failure)) if failure.is_transient() => self.failed(failure).await,
            Outcome::Done(Err(failure)) => {
                // It can't be told: rather lost, and counted, than twice.
                self.refused(failure);
                self.doubt = None;
                self.last = None;
                self.lose(len, true);
            }
        }
    }

    fn refused(&mut self, failure: Failure) {
        self.trouble = Some(Arc::new(failure.error));
    }

    /// It may pass: fails those whose time is over, and pauses.
    async fn failed(&mut self, failure: Failure) {
        self.refused(failure);
        self.pause().await;
    }

    /// The first `len` of the work are in the log, the last at `new`.
    fn written(&mut self, len: usize, new: u64) {
        self.last = Some(new);
        self.doubt = None;
        self.again = false;
        self.trouble = None;
        self.pause = FIRST_PAUSE;
        self.gap_pause = FIRST_PAUSE;
        self.chunk = (self.chunk * 2).min(BATCH_ENTRIES);
        let mut parts = self.work.take(len);
        if parts.iter().any(|part| matches!(part, Part::Gap(_))) {
            self.refusals = 0;
        }
        let tags = parts.iter_mut().filter_map(|part| match part {
            Part::Record(tag) => Some(tag),
            Part::Gap(_) => None,
        });
        let held = Tag::settle_written(tags);
        let first = (new + 1).saturating_sub(len as u64);
        for (ordinal, part) in (first..).zip(&mut parts) {
            if let Part::Record(Tag { done, .. }) = part
                && let Some(done) = done.take()
            {
                tell(done, Ok(Some(ordinal)));
            }
        }
        self.shared.moves();
        drop((parts, held));
    }

    /// The first `len` of the work can't be written.
    fn lose(&mut self, len: usize, perhaps: bool) {
        let error = self.trouble.clone();
        if self.is_gap_alone() {
            self.hold_gap();
            return;
        }
        let lost = self.work.lose(len, |_| true);
        self.chunk = 1;
        self.shared.moves();
        for done in lost {
            let kind = io::ErrorKind::Other;
            let reason = "the log refused";
            let error = error.clone();
            tell(
                done,
                Err(if perhaps {
                    NotDurable::perhaps(kind, reason, error)
                } else {
                    NotDurable::for_certain(kind, reason, error)
                }),
            );
        }
    }

    fn is_gap_alone(&self) -> bool {
        self.work.len() == 1 && self.work.starts_with_gap()
    }

    /// Puts aside a gap that the log refuses, so that it stops nobody.
    fn hold_gap(&mut self) {
        for part in self.work.take(1) {
            if let Part::Gap(mut gap) = part {
                gap.release();
                match &mut self.stuck {
                    Some(stuck) => stuck.merge(gap),
                    stuck => *stuck = Some(gap),
                }
            }
        }
        self.tried_stuck = true;
        self.gap_pause = (self.gap_pause * 2).min(LONGEST_GAP_PAUSE);
    }

    /// Drops from the work, which must not be in doubt, what nobody counts on any more.
    fn drop_dead(&mut self) {
        if self.work.tags().all(is_live) {
            return;
        }
        for done in self.work.lose(self.work.len(), |tag| !is_live(tag)) {
            let reason = "its writer was closed before the log took it";
            let error = self.trouble.clone();
            tell(
                done,
                Err(NotDurable::for_certain(
                    io::ErrorKind::TimedOut,
                    reason,
                    error,
                )),
            );
        }
    }

    /// Fails the tickets of those whose time is over, and returns when to look again. Those in doubt stay in the work.
    fn expire(&mut self) -> Option<Instant> {
        let in_doubt = self.doubt.unwrap_or(0);
        let (_, parts) = self.work.split(0);
        let now = Instant::now();
        let queues = (&mut self.backlog, &*self.slot);
        let next = call::expire(parts, in_doubt, queues, self.trouble.as_ref(), now);
        if self.doubt.is_none() {
            self.drop_dead();
        }
        next
    }

    fn count_retry(&self, len: usize) {
        let mut counted: Vec<&Arc<Account>> = Vec::new();
        for account in self.work.tags().take(len).filter_map(Tag::account) {
            if !counted.iter().any(|known| Arc::ptr_eq(known, account)) {
                account.retried();
                counted.push(account);
            }
        }
    }
}

/// True if somebody counts on it, or nobody ever did by ticket.
fn is_live(tag: &Tag) -> bool {
    !tag.is_given_up() && (tag.face() == Face::Audit || tag.done.is_some())
}

/// Tells a ticket. What its callback does must not hurt the others.
fn tell(done: Completer, outcome: TicketOutcome) {
    let told = catch_unwind(AssertUnwindSafe(|| done.complete(outcome)));
    if told.is_err() {
        tracing::error!("a ticket's callback panicked");
    }
}

#[cfg(test)]
mod tests;
