//! The ring: the last `capacity` envelopes, who has yet to read them, and who waits for the next.
//!
//! One lock holds it all, for a time that does not depend on how many receivers there are, how far
//! they are behind or how large the ring is. Nothing of anybody else's runs under it: wakers are
//! cloned before, and woken or dropped after; what fell off the ring is dropped after it is released.
//!
//! - [`kept`]: the envelopes, and where receivers stand among them.
//! - [`parked`]: the wakers of receivers that wait, in two lanes.
//! - [`rouser`]: a task, or a thread, that wakes a lane's receivers where they are many.
//! - [`census`]: what is stamped on each envelope for those who follow a log as well.
//! - [`feed`]: rings that show the envelopes of others, each ring's in its order.

mod census;
mod cursor;
mod feed;
mod kept;
mod parked;
mod receiver;
mod rouser;
#[cfg(not(loom))]
mod rouser_thread;
mod wakers;

use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};

use bus_core::{DateTime, Event, Meta, ThreadKey, Utc};

use census::Census;
use cursor::Cursor;
use feed::Tap;
use kept::Kept;
use parked::{Parked, Quota};
use rouser::Home;
use wakers::Wakers;

use crate::Envelope;
use crate::clock;
use crate::envelope::{Origin, Tally};
use crate::sync::{AtomicU64, AtomicUsize, Mutex, MutexGuard};

pub(crate) use census::Start;
pub(crate) use feed::{Feed, Feeds};
pub(crate) use receiver::Receiver;

pub(crate) struct Ring {
    capacity: usize,
    /// The `seq` of the next envelope, as the state has it, for a look without the lock.
    next: AtomicU64,
    /// How many receivers there are, as the state has it, for a look without the lock.
    receivers: AtomicUsize,
    state: Mutex<State>,
    tap: Option<Tap>,
}

struct State {
    kept: Kept,
    receivers: usize,
    parked: Parked,
    /// Where the rouser of the near lane runs, or is about to.
    home: Option<Home>,
    census: Census,
    /// Kept open until this ring is closed.
    feeds: Option<Feeds>,
    closed: bool,
}

impl Ring {
    /// A ring of `capacity`, which must be a power of two. It allocates nothing yet.
    pub(crate) fn new(capacity: usize) -> Self {
        Self {
            capacity,
            next: AtomicU64::new(1),
            receivers: AtomicUsize::new(0),
            state: Mutex::new(State {
                kept: Kept::new(),
                receivers: 0,
                parked: Parked::default(),
                home: None,
                census: Census::default(),
                feeds: None,
                closed: false,
            }),
            tap: None,
        }
    }

    /// The same, whose envelopes are shown on `feeds` too, with the key.
    pub(crate) fn tapped(capacity: usize, key: Arc<ThreadKey>, feeds: Feeds) -> Self {
        let mut ring = Self::new(capacity);
        ring.tap = Some(Tap::new(key, &feeds));
        ring.lock().feeds = Some(feeds);
        ring
    }

    pub(crate) const fn capacity(&self) -> usize {
        self.capacity
    }

    pub(crate) fn receivers(&self) -> usize {
        self.receivers.load(Ordering::Relaxed)
    }

    /// Whether there is no receiver, asked under the lock.
    pub(crate) fn is_unread(&self) -> bool {
        self.lock().receivers == 0
    }

    /// The tap, if anybody reads there.
    fn tap(&self) -> Option<&Tap> {
        self.tap.as_ref().filter(|tap| tap.has_receivers())
    }

    /// Gives an event its `seq`, shows it to every receiver, and returns the `seq`. It was emitted
    /// `at`, or is now: the clock is read, and memory taken, only if there is a receiver.
    pub(crate) fn push(
        &self,
        event: Event,
        meta: Meta,
        at: Option<DateTime<Utc>>,
        ordinal: Option<u64>,
        origin: Origin,
    ) -> u64 {
        if self.receivers() == 0 && self.tap().is_none() {
            let mut state = self.lock();
            if state.receivers == 0 && self.tap().is_none() {
                return self.skip(&mut state, ordinal, origin);
            }
            // Somebody joined just now.
        }
        let at = at.unwrap_or_else(clock::now);
        self.show(Arc::new(Envelope {
            seq: 0,
            at,
            ordinal,
            event,
            meta,
            origin,
            tally: Tally::default(),
            thread: None,
        }))
    }

    fn show(&self, mut envelope: Arc<Envelope>) -> u64 {
        let mut state = self.lock();
        // Asked under the lock: once one envelope is shown there, those behind it are too.
        let tap = self.tap();
        if state.closed || (state.receivers == 0 && tap.is_none()) {
            let seq = self.skip(&mut state, envelope.ordinal, envelope.origin);
            drop(state);
            return seq;
        }
        let seq = state.kept.next();
        let tally = state.census.count(envelope.ordinal, envelope.origin);
        if let Some(envelope) = Arc::get_mut(&mut envelope) {
            envelope.seq = seq;
            envelope.tally = tally;
            envelope.thread = tap.map(|tap| Arc::clone(tap.key()));
        }
        match tap {
            None => self.give(state, envelope),
            Some(tap) => self.give_also(tap, state, envelope),
        }
        seq
    }

    /// Shows every receiver what another bus has broadcast, with what was counted of that one: what `count` says, which is
    /// asked in the order of this ring.
    pub(crate) fn push_heard(&self, count: impl FnOnce() -> Option<Envelope>) {
        let mut state = self.lock();
        if state.closed {
            return;
        }
        let Some(mut envelope) = count() else {
            return;
        };
        envelope.seq = state.kept.next();
        state.census.heard(envelope.tally);
        self.give(state, Arc::new(envelope));
    }

    /// Keeps an envelope, and wakes those who wait for it.
    fn give(&self, mut state: MutexGuard<'_, State>, envelope: Arc<Envelope>) {
        let overwritten = self.keep(&mut state, envelope);
        if state.parked.is_empty() {
            drop(state);
        } else {
            self.call(state);
        }
        drop(overwritten);
    }

    /// The same, and shows it where `tap` says, in the order of this ring.
    #[inline(never)]
    fn give_also(&self, tap: &Tap, state: MutexGuard<'_, State>, envelope: Arc<Envelope>) {
        let elsewhere = tap.show(&envelope);
        self.give(state, envelope);
        elsewhere.into_iter().flatten().for_each(Left::finish);
    }

    /// Shows an envelope of another ring to every receiver, all but waking them.
    fn show_other(&self, envelope: &Arc<Envelope>) -> Option<Left<'_>> {
        if self.receivers() == 0 {
            // One that joins now joins behind it.
            return None;
        }
        let mut state = self.lock();
        let overwritten = self.keep(&mut state, Arc::clone(envelope));
        let mut wakers = Wakers::default();
        let quota = state.parked.call(&mut wakers);
        Some(Left {
            ring: self,
            overwritten,
            quota,
            wakers,
        })
    }

    /// Keeps an envelope for those who are there. Returns one that is to be dropped outside the lock.
    fn keep(&self, state: &mut State, envelope: Arc<Envelope>) -> Option<Arc<Envelope>> {
        // Whoever sees it goes on to take the lock, which is what orders all else.
        self.next.store(state.kept.next() + 1, Ordering::Relaxed);
        if state.receivers == 0 {
            state.kept.skip();
            return Some(envelope);
        }
        state.kept.push(envelope, self.capacity)
    }

    /// Counts an envelope that nobody will read.
    fn skip(&self, state: &mut State, ordinal: Option<u64>, origin: Origin) -> u64 {
        let seq = state.kept.next();
        // Nothing comes behind the end, and no bus is left to be told a `seq` of its own.
        if !state.closed {
            state.census.count(ordinal, origin);
            state.kept.skip();
            self.next.store(seq + 1, Ordering::Relaxed);
        }
        seq
    }

    /// Wakes those that wait for an envelope, or those who will.
    #[inline(never)]
    fn call(&self, mut state: MutexGuard<'_, State>) {
        let mut wakers = Wakers::default();
        let quota = state.parked.call(&mut wakers);
        self.wake(state, quota, &mut wakers);
    }

    /// Wakes so many of each lane as `quota` says, a batch at a time, and before them `wakers`.
    fn wake<'a>(&'a self, mut state: MutexGuard<'a, State>, mut quota: Quota, wakers: &mut Wakers) {
        loop {
            state.parked.take(&mut quota, wakers);
            drop(state);
            wakers.wake();
            if quota.is_met() {
                return;
            }
            state = self.lock();
        }
    }

    /// Lets receivers read what is there, and then find the end.
    pub(crate) fn close(&self) {
        let mut state = self.lock();
        state.closed = true;
        // Who still reads here keeps no feed open: nothing is shown there any more.
        let feeds = state.feeds.take();
        let quota = state.parked.call_all();
        self.wake(state, quota, &mut Wakers::default());
        drop(feeds);
    }

    /// A receiver of every envelope from now on.
    pub(crate) fn subscribe(self: &Arc<Self>) -> Receiver {
        Receiver::new(self.place(&mut self.lock()))
    }

    /// The same, with what one needs to follow a log together with it. `None` if others follow
    /// another log.
    pub(crate) fn follow(self: &Arc<Self>, origin: Origin) -> Option<(Receiver, Start)> {
        let mut state = self.lock();
        let start = state.census.follow(origin)?;
        Some((Receiver::new(self.place(&mut state)), start))
    }

    fn place(self: &Arc<Self>, state: &mut State) -> Cursor {
        state.receivers += 1;
        self.receivers.store(state.receivers, Ordering::Relaxed);
        let at = state.kept.join();
        let seat = state.parked.join();
        Cursor::new(Arc::clone(self), at, seat)
    }

    /// Gives back the room that nobody needs now.
    pub(crate) fn shrink(&self) {
        self.lock().kept.shrink();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What is to be done once no lock is held: others' code runs in it.
#[must_use]
struct Left<'a> {
    ring: &'a Ring,
    overwritten: Option<Arc<Envelope>>,
    quota: Quota,
    wakers: Wakers,
}

impl Left<'_> {
    fn finish(mut self) {
        if !self.quota.is_met() || !self.wakers.is_empty() {
            self.ring
                .wake(self.ring.lock(), self.quota, &mut self.wakers);
        }
        drop(self.overwritten);
    }
}

#[cfg(all(test, loom))]
mod models;
#[cfg(all(test, not(loom)))]
mod tests;
