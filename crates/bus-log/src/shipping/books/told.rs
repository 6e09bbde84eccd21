//! What others may know of what is on its way.

use std::sync::Arc;
use std::time::Instant;

use bus_core::ThreadKey;

use super::super::account::{Account, State};
use super::super::runs::portion;
use super::Books;
use crate::{ReplicateError, ShippingLag};

/// Reasons told of threads that are stopped, and of those in trouble.
const TOLD: usize = 16;

/// Threads, up to where, and why there may be others.
type Found = (Vec<(ThreadKey, u64)>, Option<Arc<ReplicateError>>);

impl Books {
    /// Whether a thread is shipped up to an ordinal, and nothing is left to be looked at; why not, if it is
    /// stopped.
    pub(in crate::shipping) fn is_shipped(
        &self,
        key: &ThreadKey,
        ordinal: u64,
    ) -> Result<bool, Arc<ReplicateError>> {
        let Some(account) = self.accounts.get(key) else {
            return Ok(false);
        };
        // One that is tried again, or will be, may be shipped yet.
        let has_failed = account.stopped && account.state == State::Resting && !account.look;
        match &account.trouble {
            Some(why) if has_failed => Err(Arc::clone(why)),
            _ => Ok(account.is_checked() && account.shipped >= ordinal),
        }
    }

    /// Why a thread, or else any, is not shipped.
    pub(in crate::shipping) fn why(&self, key: Option<&ThreadKey>) -> Option<Arc<ReplicateError>> {
        let own = || {
            self.accounts
                .get(key?)
                .and_then(|account| account.trouble.clone())
        };
        let accounts = || self.accounts.values();
        let stopped = || accounts().find(|account| account.stopped)?.trouble.clone();
        let any = || accounts().find_map(|account| account.trouble.clone());
        let known = self.outage().or_else(own).or_else(stopped).or_else(any);
        let known = known.or_else(|| self.unnamed.clone());
        known.or_else(|| self.checks.why())
    }

    /// What the remote log said last, while it is away.
    pub(in crate::shipping) fn outage(&self) -> Option<Arc<ReplicateError>> {
        let outage = self.outage.as_ref();
        outage.map(|outage| Arc::clone(&outage.error))
    }

    /// What is to be waited for once the look and the check of these numbers, or later ones, have come to their end, and
    /// why the look could not name all; `None` while they have not.
    pub(in crate::shipping) fn found_by(&self, look: u64, check: u64) -> Option<Found> {
        let over = self.looked >= look && self.checks.is_done(check);
        over.then(|| (self.unsettled(), self.unnamed.clone()))
    }

    /// Threads that are not known to be level, and up to where.
    fn unsettled(&self) -> Vec<(ThreadKey, u64)> {
        let unsettled = |account: &Account| !account.is_checked() || account.waiting() > 0;
        let accounts = self.accounts.iter();
        let accounts = accounts.filter(|(_, account)| unsettled(account));
        accounts
            .map(|(key, account)| (key.clone(), account.last))
            .collect()
    }

    pub(in crate::shipping) fn lag(&self, now: Instant) -> ShippingLag {
        let mut lag = ShippingLag {
            bytes: self.counted.bytes
                + self.coming
                + portion(self.sizes.1, self.counted.found, self.sizes.0),
            stopped_bytes: self.counted.stopped,
            looked_through: self.looked > 0,
            shipped: self.shipped,
            lost: self.lost,
            refused: self.refused,
            unnamed: self.unnamed.clone(),
            outage: self.outage(),
            ..ShippingLag::default()
        };
        let in_doubt = self.checks.is_in_doubt();
        for account in self.accounts.values() {
            let waiting = account.waiting();
            lag.events += waiting;
            lag.threads += u64::from(waiting > 0);
            let is_checked = account.is_checked() && !(in_doubt && account.proved > 0);
            lag.unchecked += u64::from(!is_checked && !account.stopped);
            if waiting > 0 {
                // What was there before has no other time.
                let since = account.waits_since().unwrap_or(self.opened);
                lag.behind = lag.behind.max(now.saturating_duration_since(since));
            }
            if let Some(error) = &account.trouble {
                let (count, told) = match account.stopped {
                    true => (&mut lag.stopped_threads, &mut lag.stopped),
                    false => (&mut lag.troubled_threads, &mut lag.troubled),
                };
                *count += 1;
                if told.len() < TOLD {
                    told.push(Arc::clone(error));
                }
            }
        }
        lag
    }
}
