//! Readers that wait for what was acknowledged before it could be read.

use std::future::poll_fn;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Poll, Waker};

use bus_log::{LogError, Result, ThreadKey};

use super::owned::Files;
use super::tell::Item;
use super::{Shared, lock};
use crate::layout::ThreadId;
use crate::name::IdMap;

/// How much was acknowledged that is not shown yet.
#[derive(Debug, Default)]
pub(super) struct Behind {
    /// Events acknowledged, and of those shown, or durable and not to be shown now.
    accepted: AtomicU64,
    done: AtomicU64,
    bytes: AtomicU64,
    /// Flushes that failed.
    failures: AtomicU64,
    /// Flushes.
    rounds: AtomicU64,
    /// Sessions of which events are durable and could not be shown.
    stuck: Mutex<IdMap<()>>,
    any_stuck: AtomicBool,
    /// Readers that wait for it.
    waiting: Mutex<Vec<Waker>>,
}

impl Behind {
    /// Returns how many bytes it is now.
    pub(super) fn add(&self, events: u64, bytes: usize) -> u64 {
        self.accepted.fetch_add(events, Ordering::SeqCst);
        self.bytes.fetch_add(bytes as u64, Ordering::SeqCst) + bytes as u64
    }

    /// So much of it is durable, and shown but for sessions that are `stuck`.
    pub(super) fn done(&self, events: u64, bytes: usize) {
        self.done.fetch_add(events, Ordering::SeqCst);
        self.bytes.fetch_sub(bytes as u64, Ordering::SeqCst);
    }

    pub(super) fn stuck(&self, id: ThreadId) {
        lock(&self.stuck).insert(id, ());
        self.any_stuck.store(true, Ordering::SeqCst);
    }

    pub(super) fn any_stuck(&self) -> bool {
        self.any_stuck.load(Ordering::SeqCst)
    }

    /// Whether a reader of the session would miss what was acknowledged, though it is durable. A list does not fail
    /// for one of those that it lists.
    fn is_stuck(&self, key: Option<&ThreadKey>) -> bool {
        self.any_stuck()
            && key.is_some_and(|key| lock(&self.stuck).contains_key(&ThreadId::new(key)))
    }

    /// Events that are neither shown nor known to be durable.
    pub(super) fn events(&self) -> u64 {
        let done = self.done.load(Ordering::SeqCst);
        self.accepted.load(Ordering::SeqCst).saturating_sub(done)
    }

    pub(super) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::SeqCst)
    }

    pub(super) fn count_round(&self, failed: bool) {
        self.failures.fetch_add(u64::from(failed), Ordering::SeqCst);
        self.rounds.fetch_add(1, Ordering::SeqCst);
    }
}

impl Shared {
    /// Takes note of sessions whose files are whole again.
    pub(super) fn note_behind(&self, files: &Files) {
        if !self.behind.any_stuck() {
            return;
        }
        let mut stuck = lock(&self.behind.stuck);
        stuck.retain(|id, ()| files.held.get(id).is_some_and(|held| held.is_behind()));
        self.behind
            .any_stuck
            .store(!stuck.is_empty(), Ordering::SeqCst);
    }

    /// Waits until what was acknowledged can be read: of one session, or of all that can be.
    pub(crate) async fn caught_up(&self, of: Option<&ThreadKey>) -> Result<()> {
        if self.behind.events() == 0 && !self.behind.any_stuck() {
            return Ok(());
        }
        let target = self.behind.accepted.load(Ordering::SeqCst);
        let failures = self.behind.failures.load(Ordering::SeqCst);
        let rounds = self.behind.rounds.load(Ordering::SeqCst);
        let mut asked = false;
        poll_fn(|cx| {
            let mut waiting = lock(&self.behind.waiting);
            if self.behind.done.load(Ordering::SeqCst) >= target {
                if !self.behind.is_stuck(of) {
                    return Poll::Ready(Ok(()));
                }
                if self.behind.rounds.load(Ordering::SeqCst) != rounds {
                    let error =
                        "what was acknowledged is durable, but its session file can't be written";
                    return Poll::Ready(Err(LogError::unavailable(error)));
                }
            }
            if self.behind.failures.load(Ordering::SeqCst) != failures {
                let error = "what was acknowledged is not durable yet, and can't be read";
                return Poll::Ready(Err(LogError::unavailable(error)));
            }
            if let Some(closed) = self.queue.is_closed() {
                return Poll::Ready(Err(closed.into()));
            }
            // Who waits with a deadline, and comes again, may be there already.
            if !waiting.iter().any(|known| known.will_wake(cx.waker())) {
                waiting.push(cx.waker().clone());
            }
            drop(waiting);
            if !std::mem::replace(&mut asked, true) {
                self.queue.want_flush(None);
            }
            self.polls_within();
            Poll::Pending
        })
        .await
    }

    pub(super) fn wake_readers(&self) {
        let waiting = std::mem::take(&mut *lock(&self.behind.waiting));
        self.tell.push(waiting.into_iter().map(Item::Wake));
    }
}
