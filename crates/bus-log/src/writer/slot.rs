//! One thread of the log, as the sinks see it: its key and what waits for it.

use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use bus_core::ThreadKey;
use tokio::sync::Notify;

use super::account::{Account, Tag};
use super::queue::Queue;
use crate::Entry;

/// The place where sinks and the writer of one key meet.
#[derive(Debug)]
pub(super) struct Slot {
    pub(super) key: ThreadKey,
    state: Mutex<State>,
    /// Wakes the key's writer.
    pub(super) nudge: Notify,
}

#[derive(Debug, Default)]
struct State {
    queue: Queue,
    writer: Writer,
    /// The thread's last ordinal as far as known.
    last: Option<u64>,
}

/// What the key's writer is doing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Writer {
    /// There is none: it has to be started.
    #[default]
    Absent,
    /// It looks at the queue before it rests.
    Busy,
    /// It rests, and has to be woken for whatever comes.
    Resting,
    /// It rests, will look by itself soon, and is woken only for what somebody waits for.
    Lingering,
}

impl Slot {
    pub(super) fn new(key: ThreadKey) -> Self {
        Self {
            key,
            state: Mutex::default(),
            nudge: Notify::new(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// True if the key's writer has to be started.
    #[must_use]
    pub(super) fn push(&self, entry: Entry, tag: Tag) -> bool {
        let awaited = tag.done.is_some();
        let mut state = self.state();
        let sooner = state.queue.push(entry, tag);
        self.wake(state, awaited, sooner)
    }

    /// Notes that a record was lost here. True if the key's writer has to be started.
    #[must_use]
    pub(super) fn push_lost(&self, account: &Arc<Account>) -> bool {
        let mut state = self.state();
        state.queue.push_lost(account);
        self.wake(state, false, false)
    }

    fn wake(&self, mut state: MutexGuard<'_, State>, awaited: bool, sooner: bool) -> bool {
        let before = state.writer;
        let nudge = match before {
            Writer::Absent | Writer::Resting => {
                state.writer = Writer::Busy;
                before == Writer::Resting
            }
            Writer::Lingering if awaited => {
                state.writer = Writer::Busy;
                true
            }
            // It may be waiting for the log, and does not know of this deadline.
            Writer::Busy => sooner,
            Writer::Lingering => false,
        };
        drop(state);
        if nudge {
            self.nudge.notify_one();
        }
        before == Writer::Absent
    }

    /// Takes all that waits, if `queue` is empty.
    pub(super) fn refill(&self, queue: &mut Queue) {
        if queue.is_empty() {
            mem::swap(&mut self.state().queue, queue);
        }
    }

    /// The earliest deadline of what waits, or none earlier than it.
    pub(super) fn earliest(&self) -> Option<Instant> {
        self.state().queue.earliest()
    }

    /// Takes out what waited for too long.
    pub(super) fn expired(&self, now: Instant) -> Vec<Tag> {
        self.state().queue.expired(now)
    }

    pub(super) fn last(&self) -> Option<u64> {
        self.state().last
    }

    /// Notes that the key's writer could not be started: the next record tries again.
    pub(super) fn not_started(&self) {
        self.state().writer = Writer::Absent;
    }

    /// Says what the key's writer does next; false, and it stays busy, if something waits.
    pub(super) fn rest(&self, how: Writer, last: Option<u64>) -> bool {
        let mut state = self.state();
        state.last = last;
        if !state.queue.is_empty() {
            state.writer = Writer::Busy;
            return false;
        }
        state.writer = how;
        true
    }
}
