//! What became of threads when they were copied before.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bus_core::ThreadKey;

use super::{Hides, Pauses, ReplicateError};
use crate::{Bounds, ThreadSummary};

const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// Of each thread how far it had come when it was listed, or why it could not be copied.
#[derive(Debug, Default)]
pub(super) struct Remembered {
    threads: Mutex<HashMap<ThreadKey, Known>>,
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

    /// As far as a thread had come when it was listed, it is copied.
    pub(super) fn copied(&self, summary: ThreadSummary) {
        let known = Known::Copied(summary.bounds);
        self.threads().insert(summary.key, known);
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
