//! Whether the remote log still has what it took.
//!
//! A server may come back from an outage without the end of what it had acknowledged, and nobody who has nothing more to
//! ship would notice. So it is asked for all its threads after each outage, before a flush is over, and now and then.

use std::collections::BTreeMap;
use std::sync::Arc;

use bus_core::{TenantId, ThreadKey};

use super::Books;
use crate::ReplicateError;

/// Checks that were begun, the last of them that came to its end, and the one that is wanted.
#[derive(Debug, Default)]
pub(super) struct Checks {
    begun: u64,
    done: u64,
    wanted: u64,
    /// The one after which what the remote log said before its last outage counts again.
    doubted: u64,
    /// Why the last one could not go on.
    why: Option<Arc<ReplicateError>>,
}

impl Checks {
    /// Asks for a check that begins from now on; returns its number.
    pub(super) const fn want(&mut self) -> u64 {
        self.wanted = self.begun + 1;
        self.wanted
    }

    /// The remote log is away: until the next check is done nothing is certain.
    pub(super) const fn doubt(&mut self) {
        self.doubted = self.want();
    }

    /// Whether the remote log was away since it was last checked.
    pub(super) const fn is_in_doubt(&self) -> bool {
        self.done < self.doubted
    }

    /// Whether a check of this number, or a later one, has come to its end.
    pub(super) const fn is_done(&self, check: u64) -> bool {
        self.done >= check
    }

    pub(super) fn why(&self) -> Option<Arc<ReplicateError>> {
        self.why.clone()
    }
}

impl Books {
    /// Asks for a check of the remote log that begins from now on; returns its number.
    pub(in crate::shipping) const fn want_check(&mut self) -> u64 {
        self.checks.want()
    }

    /// Whether a check is wanted, and may begin: while the remote log is away one courier at a time finds out.
    pub(in crate::shipping) fn wants_check(&self) -> bool {
        let probes = self.outage.is_some() && (self.moving > 0 || !self.queue.is_empty());
        self.checks.wanted > self.checks.begun && !probes
    }

    /// Whether the remote log is away, or was since it was last checked: it may come back without the end of what it had.
    pub(in crate::shipping) const fn doubts_remote(&self) -> bool {
        self.outage.is_some() || self.checks.is_in_doubt()
    }

    /// A check begins. Its number, and of which tenants the remote log has threads, up to which.
    pub(in crate::shipping) fn check_begins(&mut self) -> (u64, BTreeMap<TenantId, String>) {
        self.checks.begun += 1;
        let mut tenants = BTreeMap::<TenantId, String>::new();
        for (key, account) in &mut self.accounts {
            account.must_have = account.proved;
            if account.proved == 0 {
                continue;
            }
            if let Some(last) = tenants.get_mut(key.tenant_id()) {
                if last.as_str() < key.thread_id() {
                    key.thread_id().clone_into(last);
                }
            } else {
                tenants.insert(key.tenant_id().clone(), key.thread_id().to_owned());
            }
        }
        (self.checks.begun, tenants)
    }

    /// The remote log has named a thread, and how far it reaches.
    pub(in crate::shipping) fn listed(&mut self, key: &ThreadKey, last: u64) {
        if let Some(account) = self.accounts.get_mut(key)
            && account.must_have <= last
        {
            account.must_have = 0;
        }
    }

    /// The check could not go on.
    pub(in crate::shipping) fn check_failed(&mut self, why: ReplicateError) {
        self.checks.why = Some(Arc::new(why));
        self.checks.want();
    }

    /// The check has come to its end: of the threads that it did not find as they have to be the remote log is asked one by
    /// one. True if there is any.
    pub(in crate::shipping) fn checked(&mut self, check: u64) -> bool {
        self.checks.done = check;
        self.checks.why = None;
        let accounts = self.accounts.iter_mut();
        let missed = accounts.filter(|(_, account)| account.must_have > 0);
        let missed: Vec<ThreadKey> = missed
            .map(|(key, account)| {
                account.must_have = 0;
                account.look = true;
                key.clone()
            })
            .collect();
        let mut calls = false;
        for key in missed {
            calls |= self.call(&key);
        }
        calls
    }
}

#[cfg(test)]
mod tests;
