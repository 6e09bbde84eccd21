//! All that is known of what is on its way: what was appended, what a look found.
//!
//! Whose turn it is, is decided in `turns`; what others may know of it is in `told`.

mod checks;
mod told;
mod turns;

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bus_core::ThreadKey;

use super::account::{Account, Counted, Served};
use super::runs::portion;
use crate::replicate::Pauses;
use crate::{Bounds, ReplicateError};

use checks::Checks;
pub(super) use turns::Errand;

const FIRST_PAUSE: Duration = Duration::from_millis(50);

/// Events of which the average size is known well enough.
const MANY: u64 = 1 << 20;

/// The remote log is checked once in so many looks through the local one.
const CHECK_EVERY: u64 = 10;

/// Bytes that wait, and what the remote log said.
type Refusal = (u64, Option<Arc<ReplicateError>>);

/// The threads and whose turn it is. All under one lock, and nothing of others' is called under it.
#[derive(Debug)]
pub(super) struct Books {
    accounts: HashMap<ThreadKey, Account>,
    queue: VecDeque<ThreadKey>,
    parked: Vec<(Instant, ThreadKey)>,
    /// Couriers under way.
    moving: usize,
    /// What all threads count for.
    counted: Counted,
    /// Bytes of appends under way.
    coming: u64,
    /// Events whose size was seen, and their bytes.
    sizes: (u64, u64),
    budget: Option<u64>,
    outage: Option<Outage>,
    pauses: Pauses,
    /// Looks through the local log that were begun, the last of them that came to its end, and the one
    /// that somebody waits for.
    looks_begun: u64,
    looked: u64,
    look_wanted: u64,
    /// Why the last look could not name all threads.
    pub(super) unnamed: Option<Arc<ReplicateError>>,
    opened: Instant,
    served: Served,
    checks: Checks,
    shipped: u64,
    lost: u64,
    refused: u64,
}

#[derive(Debug)]
struct Outage {
    until: Instant,
    error: Arc<ReplicateError>,
}

impl Books {
    pub(super) fn new(budget: Option<u64>, longest_pause: Duration) -> Self {
        Self {
            accounts: HashMap::new(),
            queue: VecDeque::new(),
            parked: Vec::new(),
            moving: 0,
            counted: Counted::default(),
            coming: 0,
            sizes: (0, 0),
            budget,
            outage: None,
            pauses: Pauses::new(FIRST_PAUSE.min(longest_pause), longest_pause),
            looks_begun: 0,
            looked: 0,
            look_wanted: 0,
            unnamed: None,
            opened: Instant::now(),
            served: Served::default(),
            checks: Checks::default(),
            shipped: 0,
            lost: 0,
            refused: 0,
        }
    }

    /// Lets an append of so many events and bytes begin; if not, how many wait, and what the remote log said.
    pub(super) fn admit(&mut self, count: u64, bytes: u64) -> Result<(), Refusal> {
        let mut waiting = self.counted.bytes + self.coming;
        if self.outage.is_some() {
            // What waits from before is no reason to refuse while it is being shipped.
            let (events, of) = if self.sizes.0 > 0 {
                self.sizes
            } else {
                (count, bytes)
            };
            let before = self.counted.found + self.counted.assumed;
            waiting = waiting.saturating_add(portion(of, before, events));
        }
        if self.budget.is_some_and(|budget| waiting >= budget) {
            self.refused += 1;
            return Err((waiting, self.why(None)));
        }
        self.coming += bytes;
        Ok(())
    }

    /// An append that was let in was refused by the local log.
    pub(super) fn withdrawn(&mut self, bytes: u64) {
        self.coming = self.coming.saturating_sub(bytes);
    }

    /// An append that was let in is durable: so many events, up to `last`. True if the shipper has to
    /// be woken.
    pub(super) fn appended(&mut self, key: &ThreadKey, last: u64, count: u64, bytes: u64) -> bool {
        self.coming = self.coming.saturating_sub(bytes);
        self.sized(count, bytes);
        let before = last.saturating_sub(count);
        self.with(key, before, |account| {
            account.appended(before + 1, last, bytes, Instant::now());
        });
        self.call(key)
    }

    /// Nobody knows what became of an append that was let in.
    pub(super) fn in_doubt(&mut self, key: &ThreadKey, bytes: u64) -> bool {
        self.coming = self.coming.saturating_sub(bytes);
        // It counts until it is known.
        let look = self.looks_begun;
        self.with(key, 0, |account| account.in_doubt(bytes, look));
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
        let mut calls = false;
        let look = self.looks_begun;
        self.with(key, bounds.last, |account| {
            let erased = bounds.erased && bounds.watermark > account.erased;
            let may_give_back = !bounds.erased && account.uncompared <= bounds.watermark;
            let gives_back = may_give_back && keep.is_some_and(|keep| bounds.readable() > keep);
            account.look |= erased;
            let has_more = bounds.last > account.last;
            account.saw(bounds, keep, look, Instant::now());
            calls = !account.known
                || account.look
                || has_more
                || account.idle && gives_back && account.waiting() == 0;
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

    /// The look could not go on.
    pub(super) fn look_failed(&mut self, why: ReplicateError) {
        self.unnamed = Some(Arc::new(why));
    }

    /// The local log was looked through, as far as it could name its threads: what was stopped is tried again. True
    /// if there is any.
    pub(super) fn looked(&mut self, look: u64, unnamed: Option<ReplicateError>) -> bool {
        self.looked = look;
        if look.is_multiple_of(CHECK_EVERY) {
            self.checks.want();
        }
        self.unnamed = unnamed.map(Arc::new);
        let accounts = self.accounts.iter_mut();
        let stopped = accounts.filter(|(_, account)| account.stopped);
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

    /// Changes an account, and keeps the sums. One that is new is taken to be shipped up to `shipped`.
    fn with<T>(
        &mut self,
        key: &ThreadKey,
        shipped: u64,
        change: impl FnOnce(&mut Account) -> T,
    ) -> T {
        // Its name is copied only where it is new.
        if let Some(account) = self.accounts.get_mut(key) {
            let before = account.counted();
            let done = change(account);
            self.counted.change(before, account.counted());
            return done;
        }
        let mut account = Account::new(shipped, shipped);
        let done = change(&mut account);
        self.counted.change(Counted::default(), account.counted());
        self.accounts.insert(key.clone(), account);
        done
    }

    /// So many events have so many bytes. What was seen long ago counts less and less.
    fn sized(&mut self, events: u64, bytes: u64) {
        let (all, of) = &mut self.sizes;
        if *all > MANY {
            (*all, *of) = (*all / 2, *of / 2);
        }
        (*all, *of) = (*all + events, of.saturating_add(bytes));
    }
}

#[cfg(test)]
mod model;
#[cfg(test)]
mod tests;
