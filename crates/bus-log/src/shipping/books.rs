//! All that is known of what is on its way.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bus_core::ThreadKey;

use super::ShippingLag;
use super::account::{Account, State};
use crate::replicate::{Level, Moved, Pauses};
use crate::{Bounds, ReplicateError};

const FIRST_PAUSE: Duration = Duration::from_millis(50);

/// Reasons told of threads that are stopped.
const TOLD: usize = 16;

/// The threads and whose turn it is. All under one lock, and nothing of others' is called under it.
#[derive(Debug)]
pub(super) struct Books {
    accounts: HashMap<ThreadKey, Account>,
    queue: VecDeque<ThreadKey>,
    parked: Vec<(Instant, ThreadKey)>,
    /// Couriers under way.
    moving: usize,
    /// Bytes appended and not known to be shipped, and those of appends under way.
    bytes: u64,
    budget: Option<u64>,
    outage: Option<Outage>,
    pauses: Pauses,
    /// Looks through the local log that were begun, the last of them that came to its end, and the one
    /// that somebody waits for.
    looks_begun: u64,
    looked: u64,
    look_wanted: u64,
    opened: Instant,
    /// How often the remote log took something.
    answers: u64,
    shipped: u64,
    refused: u64,
}

#[derive(Debug)]
struct Outage {
    until: Instant,
    error: Arc<ReplicateError>,
}

/// What a courier sets out with.
pub(super) struct Errand {
    pub(super) key: ThreadKey,
    /// The remote log's last ordinal, where it need not be asked.
    pub(super) knows: Option<u64>,
    /// Where the remote log was found to differ.
    pub(super) differed: Option<u64>,
    /// What need not be kept may all go.
    pub(super) idle: bool,
}

impl Books {
    pub(super) fn new(budget: Option<u64>, longest_pause: Duration) -> Self {
        Self {
            accounts: HashMap::new(),
            queue: VecDeque::new(),
            parked: Vec::new(),
            moving: 0,
            bytes: 0,
            budget,
            outage: None,
            pauses: Pauses::new(FIRST_PAUSE.min(longest_pause), longest_pause),
            looks_begun: 0,
            looked: 0,
            look_wanted: 0,
            opened: Instant::now(),
            answers: 0,
            shipped: 0,
            refused: 0,
        }
    }

    /// Lets an append of so many bytes begin; if not, how many wait, and what the remote log said.
    pub(super) fn admit(&mut self, bytes: u64) -> Result<(), (u64, Option<Arc<ReplicateError>>)> {
        if self.budget.is_some_and(|budget| self.bytes >= budget) {
            self.refused += 1;
            let error = self.outage.as_ref().map(|outage| Arc::clone(&outage.error));
            let stopped = || self.accounts.values().find_map(|a| a.stopped.clone());
            return Err((self.bytes, error.or_else(stopped)));
        }
        self.bytes += bytes;
        Ok(())
    }

    /// An append that was let in was refused by the local log.
    pub(super) fn withdrawn(&mut self, bytes: u64) {
        self.bytes = self.bytes.saturating_sub(bytes);
    }

    /// An append that was let in is durable: so many events, up to `last`. True if the shipper has to
    /// be woken.
    pub(super) fn appended(&mut self, key: &ThreadKey, last: u64, count: u64, bytes: u64) -> bool {
        self.bytes = self.bytes.saturating_sub(bytes);
        let before = last.saturating_sub(count);
        self.with(key, before, |account| {
            account.appended(before + 1, last, bytes, Instant::now());
        });
        self.call(key)
    }

    /// Nobody knows what became of an append that was let in.
    pub(super) fn in_doubt(&mut self, key: &ThreadKey, bytes: u64) -> bool {
        self.bytes = self.bytes.saturating_sub(bytes);
        // It counts until it is known.
        self.with(key, 0, |account| {
            account.bytes += bytes;
            account.look = true;
        });
        self.call(key)
    }

    /// The thread may have been erased.
    pub(super) fn look_at(&mut self, key: &ThreadKey, last: u64) -> bool {
        self.with(key, last, |account| {
            account.look = true;
            account.grew(last, Instant::now());
        });
        self.call(key)
    }

    /// What a look through the local log found. True if the shipper has something to do.
    pub(super) fn saw(&mut self, key: &ThreadKey, bounds: Bounds, keep: Option<u64>) -> bool {
        let is_new = !self.accounts.contains_key(key);
        let mut calls = false;
        self.with(key, bounds.last, |account| {
            if is_new && bounds.readable() == 0 && !bounds.erased {
                // All that there was is shipped and given back, or archived: nothing can be done.
                account.known = true;
            }
            let erased = bounds.erased && bounds.watermark > account.erased;
            let gives_back = !bounds.erased && keep.is_some_and(|keep| bounds.readable() > keep);
            account.idle = account.seen == bounds.last;
            account.seen = bounds.last;
            account.look |= erased;
            calls = !account.known
                || account.look
                || bounds.last > account.last
                || account.idle && gives_back && account.waiting() == 0;
            account.grew(bounds.last, Instant::now());
        });
        calls && self.call(key)
    }

    /// Asks for a look through the local log that begins from now on; returns its number.
    pub(super) fn want_look(&mut self) -> u64 {
        self.look_wanted = self.looks_begun + 1;
        self.look_wanted
    }

    /// Whether somebody waits for a look that has not begun.
    pub(super) const fn wants_look(&self) -> bool {
        self.look_wanted > self.looks_begun
    }

    /// A look begins; returns its number.
    pub(super) fn look_begins(&mut self) -> u64 {
        self.looks_begun += 1;
        self.looks_begun
    }

    /// Whether the look of this number, or a later one, has come to its end.
    pub(super) const fn has_looked(&self, look: u64) -> bool {
        self.looked >= look
    }

    /// The local log was looked through: what was stopped is tried again. True if there is any.
    pub(super) fn looked(&mut self, look: u64) -> bool {
        self.looked = look;
        let accounts = self.accounts.iter_mut();
        let stopped = accounts.filter(|(_, account)| account.stopped.is_some());
        let again: Vec<ThreadKey> = stopped
            .map(|(key, account)| {
                account.look = true;
                key.clone()
            })
            .collect();
        let mut calls = false;
        for key in again {
            calls |= self.call(&key);
        }
        calls
    }

    /// Changes an account, and keeps the sum of bytes. One that is new is taken to be shipped up to
    /// `shipped`.
    fn with(&mut self, key: &ThreadKey, shipped: u64, change: impl FnOnce(&mut Account)) {
        if !self.accounts.contains_key(key) {
            let account = Account::new(shipped, shipped);
            self.accounts.insert(key.clone(), account);
        }
        if let Some(account) = self.accounts.get_mut(key) {
            let before = account.bytes;
            change(account);
            self.bytes = self.bytes.saturating_sub(before) + account.bytes;
        }
    }

    /// Sees to it that the thread has its turn. True if the shipper has to be woken.
    fn call(&mut self, key: &ThreadKey) -> bool {
        let Some(account) = self.accounts.get_mut(key) else {
            return false;
        };
        match account.state {
            // It is tried again when the local log is looked through.
            State::Resting if account.stopped.is_some() && !account.look => false,
            State::Resting => {
                account.state = State::Queued;
                self.queue.push_back(key.clone());
                true
            }
            State::Moving => {
                account.again = true;
                false
            }
            State::Queued | State::Parked => false,
        }
    }

    /// The next errand, if one may begin now.
    pub(super) fn next(&mut self, now: Instant) -> Option<Errand> {
        if let Some(outage) = &self.outage
            && (now < outage.until || self.moving > 0)
        {
            // While the remote log is away, one at a time finds out whether it is back.
            return None;
        }
        let key = self.queue.pop_front()?;
        let account = self.accounts.get_mut(&key)?;
        account.state = State::Moving;
        account.again = false;
        if std::mem::take(&mut account.look) {
            account.known = false;
        }
        self.moving += 1;
        Some(Errand {
            knows: Some(account.shipped).filter(|_| account.known),
            differed: match account.stopped.as_deref() {
                Some(ReplicateError::Differs { ordinal, .. }) => Some(*ordinal),
                _ => None,
            },
            idle: account.idle,
            key,
        })
    }

    /// Queues those whose pause is over.
    pub(super) fn unpark(&mut self, now: Instant) {
        let (accounts, queue) = (&mut self.accounts, &mut self.queue);
        self.parked.retain(|(until, key)| {
            if *until > now {
                return true;
            }
            if let Some(account) = accounts.get_mut(key) {
                account.state = State::Queued;
                queue.push_back(key.clone());
            }
            false
        });
    }

    /// When to look for an errand although nothing has happened.
    pub(super) fn next_turn(&self) -> Option<Instant> {
        let parked = self.parked.iter().map(|(until, _)| *until).min();
        let outage = self.outage.as_ref().map(|outage| outage.until);
        let waits = !self.queue.is_empty() && self.moving == 0;
        parked.into_iter().chain(outage.filter(|_| waits)).min()
    }

    /// A page was shipped. True if the thread has more, and no other waits for its turn.
    pub(super) fn moved(&mut self, key: &ThreadKey, moved: &Moved) -> bool {
        self.answers();
        self.shipped += moved.last - moved.first + 1;
        let mut more = moved.more;
        self.with(key, 0, |account| {
            account.shipped_to(moved.last, moved.bytes);
            more |= account.waiting() > 0;
        });
        let others_wait = !self.queue.is_empty();
        if more
            && others_wait
            && let Some(account) = self.accounts.get_mut(key)
        {
            account.again = true;
        }
        more && !others_wait
    }

    /// The remote log has all of the thread.
    pub(super) fn level(&mut self, key: &ThreadKey, level: Level) {
        self.answers();
        self.with(key, 0, |account| {
            account.shipped_to(level.source, 0);
            account.erased = level.erased;
        });
    }

    /// The remote log works.
    fn answers(&mut self) {
        self.outage = None;
        self.pauses.reset();
        self.answers += 1;
    }

    /// The courier of a thread is back. It sets out again if something came meanwhile.
    pub(super) fn ended(&mut self, key: &ThreadKey) {
        self.moving = self.moving.saturating_sub(1);
        if let Some(account) = self.accounts.get_mut(key)
            && account.state == State::Moving
        {
            account.state = State::Resting;
            if std::mem::take(&mut account.again) || account.look {
                self.call(key);
            }
        }
    }

    /// A thread's courier failed. True if the thread is stopped by it, and was not before.
    pub(super) fn failed(&mut self, key: &ThreadKey, error: ReplicateError, now: Instant) -> bool {
        let error = Arc::new(error);
        let Some(account) = self.accounts.get_mut(key) else {
            return false;
        };
        account.look = true;
        let is_refused = error.is_outage() && matches!(*error, ReplicateError::Target { .. });
        // Others were served since it was last refused: it is refused alone, and must not stop them.
        let alone = is_refused
            && account
                .refused_at
                .replace(self.answers)
                .is_some_and(|answers| answers < self.answers);
        if is_refused && !alone {
            account.state = State::Queued;
            // Behind the others: who asks whether the remote log is back is another one each time.
            self.queue.push_back(key.clone());
            // Those that were under way with it fail for the same reason.
            if self
                .outage
                .as_ref()
                .is_none_or(|outage| outage.until <= now)
            {
                let until = now + self.pauses.take();
                self.outage = Some(Outage { until, error });
            } else if let Some(outage) = &mut self.outage {
                outage.error = error;
            }
            return false;
        }
        if error.is_transient() || error.is_outage() {
            account.state = State::Parked;
            let until = now + account.pause();
            self.parked.push((until, key.clone()));
            return false;
        }
        account.look = false;
        account.again = false;
        account.known = false;
        account.stopped.replace(error).is_none()
    }

    /// What a courier that did not come back was about.
    pub(super) fn restart(&mut self) {
        self.moving = 0;
        for (key, account) in &mut self.accounts {
            if account.state == State::Moving {
                account.state = State::Queued;
                account.look = true;
                self.queue.push_back(key.clone());
            }
        }
    }

    /// Whether the remote log ever had a thread up to an ordinal.
    pub(super) fn was_shipped(&self, key: &ThreadKey, ordinal: u64) -> bool {
        let account = self.accounts.get(key);
        account.is_some_and(|account| account.proved >= ordinal)
    }

    /// Whether a thread is shipped up to an ordinal, and nothing is left to be looked at; why not, if it is
    /// stopped.
    pub(super) fn is_shipped(
        &self,
        key: &ThreadKey,
        ordinal: u64,
    ) -> Result<bool, Arc<ReplicateError>> {
        match self.accounts.get(key) {
            Some(account) if account.is_checked() && account.shipped >= ordinal => Ok(true),
            Some(Account {
                stopped: Some(error),
                look: false,
                ..
            }) => Err(Arc::clone(error)),
            _ => Ok(false),
        }
    }

    /// What the remote log said last, while it is away.
    pub(super) fn outage(&self) -> Option<Arc<ReplicateError>> {
        let outage = self.outage.as_ref();
        outage.map(|outage| Arc::clone(&outage.error))
    }

    /// Threads that are not known to be level, and up to where.
    pub(super) fn unsettled(&self) -> Vec<(ThreadKey, u64)> {
        let unsettled = |account: &Account| !account.is_checked() || account.waiting() > 0;
        let accounts = self.accounts.iter();
        let accounts = accounts.filter(|(_, account)| unsettled(account));
        accounts
            .map(|(key, account)| (key.clone(), account.last))
            .collect()
    }

    pub(super) fn lag(&self, now: Instant) -> ShippingLag {
        let mut lag = ShippingLag {
            bytes: self.bytes,
            looked_through: self.looked > 0,
            shipped: self.shipped,
            refused: self.refused,
            outage: self.outage(),
            ..ShippingLag::default()
        };
        for account in self.accounts.values() {
            let waiting = account.waiting();
            lag.events += waiting;
            lag.threads += u64::from(waiting > 0);
            lag.unchecked += u64::from(!account.is_checked() && account.stopped.is_none());
            if waiting > 0 {
                // What was there before has no other time.
                let since = account.waits_since().unwrap_or(self.opened);
                lag.behind = lag.behind.max(now.saturating_duration_since(since));
            }
            if let Some(error) = &account.stopped {
                lag.stopped_threads += 1;
                if lag.stopped.len() < TOLD {
                    lag.stopped.push(Arc::clone(error));
                }
            }
        }
        lag
    }
}

#[cfg(test)]
mod tests;
