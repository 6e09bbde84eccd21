//! What became of threads when they were copied before.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bus_core::{TenantId, ThreadKey};

use super::{Hides, Pauses, ReplicateError, give_way};
use crate::panic::caught;
use crate::{Bounds, Result as LogResult, SessionLog, ThreadSummary};

const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// The target is asked once in so many passes whether it still has what it took.
const CHECK_EVERY: u64 = 10;

/// Threads of one page.
const NAMES: usize = 1000;

/// Of each thread how far it had come when it was listed, or why it could not be copied.
#[derive(Debug, Default)]
pub(super) struct Remembered {
    threads: Mutex<HashMap<ThreadKey, Known>>,
    passes: AtomicU64,
    outages: AtomicU64,
}

#[derive(Debug)]
enum Known {
    Copied(Bounds),
    Failed(Box<Trouble>),
}

#[derive(Debug)]
struct Trouble {
    error: ReplicateError,
    /// The first ordinal that was found to differ.
    differed: Option<u64>,
    was_ahead: bool,
    /// It is left alone until then.
    until: Instant,
    pauses: Pauses,
}

/// What a courier has to know of a thread that failed before.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Warned {
    pub(super) differed: Option<u64>,
    pub(super) was_ahead: bool,
}

impl Remembered {
    fn threads(&self) -> MutexGuard<'_, HashMap<ThreadKey, Known>> {
        self.threads.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// As far as a thread had come when it was listed, it is copied. When that began, so many outages of the target had
    /// been noticed: what was copied before the last one it may have lost.
    pub(super) fn copied(&self, summary: ThreadSummary, outages: u64) {
        let mut threads = self.threads();
        if outages == self.outages() {
            threads.insert(summary.key, Known::Copied(summary.bounds));
        } else {
            threads.remove(&summary.key);
        }
    }

    /// Outages of the target that were noticed.
    pub(super) fn outages(&self) -> u64 {
        self.outages.load(Ordering::Acquire)
    }

    /// The target is away, and may come back without the end of what it had: it has to be asked about all again.
    pub(super) fn forget(&self) {
        let mut threads = self.threads();
        self.outages.fetch_add(1, Ordering::AcqRel);
        threads.retain(|_, known| matches!(known, Known::Failed(_)));
    }

    /// A pass begins. Now and then the target is asked whether it still has what it took: nobody else would notice.
    pub(super) async fn pass(&self, target: &dyn SessionLog) {
        let pass = self.passes.fetch_add(1, Ordering::Relaxed) + 1;
        if pass.is_multiple_of(CHECK_EVERY) && self.check(target).await.is_err() {
            // Its threads are asked about one by one.
            self.forget();
        }
    }

    /// Forgets the threads of which the target has less than it had.
    async fn check(&self, target: &dyn SessionLog) -> LogResult<()> {
        let mut tenants = BTreeMap::<TenantId, HashMap<String, u64>>::new();
        for (key, known) in &*self.threads() {
            if let Known::Copied(bounds) = known {
                let threads = tenants.entry(key.tenant_id().clone()).or_default();
                threads.insert(key.thread_id().to_owned(), bounds.last);
            }
        }
        for (tenant, mut missing) in tenants {
            let mut after: Option<String> = None;
            loop {
                let page = target.list(&tenant, after.as_deref(), NAMES);
                let page = caught(page).await.unwrap_or_else(Err)?;
                let Some(end) = page.last() else { break };
                after = Some(end.key.thread_id().to_owned());
                for summary in page {
                    let name = summary.key.thread_id();
                    if missing
                        .get(name)
                        .is_some_and(|last| *last <= summary.bounds.last)
                    {
                        missing.remove(name);
                    }
                }
                give_way().await;
            }
            let mut threads = self.threads();
            for name in missing.into_keys() {
                threads.remove(&ThreadKey::new(tenant.clone(), name));
            }
        }
        Ok(())
    }

    /// A thread could not be copied, as was found at `now`.
    pub(super) fn failed(&self, key: &ThreadKey, error: &ReplicateError, now: Instant) {
        let mut threads = self.threads();
        let before = match threads.remove(key) {
            Some(Known::Failed(trouble)) => Some(trouble),
            Some(Known::Copied(_)) | None => None,
        };
        let mut trouble = before.unwrap_or_else(|| {
            Box::new(Trouble {
                error: error.clone(),
                differed: None,
                was_ahead: false,
                until: now,
                pauses: Pauses::new(FIRST_PAUSE, LONGEST_PAUSE),
            })
        });
        if let ReplicateError::Differs { ordinal, .. } = error {
            trouble.differed = Some(*ordinal);
        }
        trouble.was_ahead |= matches!(error, ReplicateError::Ahead { .. });
        trouble.error = error.clone();
        trouble.until = now + trouble.pauses.take();
        threads.insert(key.clone(), Known::Failed(trouble));
    }

    /// Whether the source has nothing that was not copied before, and nothing that is to be hidden.
    pub(super) fn is_level(&self, summary: &ThreadSummary, hides: Hides) -> bool {
        let threads = self.threads();
        let Some(Known::Copied(before)) = threads.get(&summary.key) else {
            return false;
        };
        let same = match hides {
            Hides::Nothing => before.last == summary.bounds.last,
            Hides::Erased | Hides::All => *before == summary.bounds,
        };
        same && !summary.damaged
    }

    /// Why a thread is left alone at `now`, if it is.
    pub(super) fn rests(&self, key: &ThreadKey, now: Instant) -> Option<ReplicateError> {
        match self.threads().get(key) {
            Some(Known::Failed(trouble)) if now < trouble.until => Some(trouble.error.clone()),
            _ => None,
        }
    }

    pub(super) fn warned(&self, key: &ThreadKey) -> Warned {
        match self.threads().get(key) {
            Some(Known::Failed(trouble)) => Warned {
                differed: trouble.differed,
                was_ahead: trouble.was_ahead,
            },
            _ => Warned::default(),
        }
    }
}

#[cfg(test)]
mod tests;
