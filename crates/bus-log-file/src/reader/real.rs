//! Damage that was found to be real: asking for it again would have all who write the log wait each time.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use bus_log::LogError;

use crate::layout::ThreadId;
use crate::name::IdMap;

/// What was read: after which cursor, and how many events at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Asked {
    pub(super) cursor: u64,
    pub(super) limit: usize,
}

impl Asked {
    /// How far a session reaches.
    pub(super) const BOUNDS: Self = Self {
        cursor: u64::MAX,
        limit: 0,
    };

    /// Everything after a cursor.
    pub(super) const fn all(cursor: u64) -> Self {
        let limit = usize::MAX;
        Self { cursor, limit }
    }
}

/// The last real damage of each session, by the words in which it is told.
#[derive(Debug, Default)]
pub(super) struct RealDamage {
    known: Mutex<IdMap<(Asked, String)>>,
    any: AtomicBool,
}

impl RealDamage {
    fn with<T>(&self, work: impl FnOnce(&mut IdMap<(Asked, String)>) -> T) -> T {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let done = work(&mut known);
        self.any.store(!known.is_empty(), Ordering::Relaxed);
        done
    }

    pub(super) fn is_any(&self) -> bool {
        self.any.load(Ordering::Relaxed)
    }

    pub(super) fn has(&self, id: &ThreadId, damage: &LogError) -> bool {
        let same = |(_, text): &(Asked, String)| *text == damage.to_string();
        self.is_any() && self.with(|known| known.get(id).is_some_and(same))
    }

    pub(super) fn note(&self, id: ThreadId, asked: Asked, damage: &LogError) {
        self.with(|known| known.insert(id, (asked, damage.to_string())));
    }

    /// What met it reads well: the file is another one now.
    pub(super) fn forget(&self, id: &ThreadId, asked: Asked) {
        self.with(|known| {
            if known.get(id).is_some_and(|(met, _)| *met == asked) {
                known.remove(id);
            }
        });
    }
}
