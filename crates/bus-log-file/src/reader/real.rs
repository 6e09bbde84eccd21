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

/// How many of a session are kept in mind: readers that stand in different places meet different ones.
const MOST: usize = 8;

/// The last real damages of each session, the latest at the end, by the words in which they are told, and what met them last.
#[derive(Debug, Default)]
pub(super) struct RealDamage {
    known: Mutex<IdMap<Vec<(Asked, String)>>>,
    any: AtomicBool,
}

impl RealDamage {
    fn with<T>(&self, work: impl FnOnce(&mut IdMap<Vec<(Asked, String)>>) -> T) -> T {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let done = work(&mut known);
        self.any.store(!known.is_empty(), Ordering::Relaxed);
        done
    }

    pub(super) fn is_any(&self) -> bool {
        self.any.load(Ordering::Relaxed)
    }

    pub(super) fn has(&self, id: &ThreadId, damage: &LogError) -> bool {
        if !self.is_any() {
            return false;
        }
        let damage = damage.to_string();
        let same = |of: &Vec<(Asked, String)>| of.iter().any(|(_, text)| *text == damage);
        self.with(|known| known.get(id).is_some_and(same))
    }

    pub(super) fn note(&self, id: ThreadId, asked: Asked, damage: &LogError) {
        let damage = damage.to_string();
        self.with(|known| {
            let of = known.entry(id).or_default();
            // What is asked meets one of them.
            of.retain(|(met, text)| *met != asked && *text != damage);
            if of.len() == MOST {
                of.remove(0);
            }
            of.push((asked, damage));
        });
    }

    /// What met it reads well: the file is another one now.
    pub(super) fn forget(&self, id: &ThreadId, asked: Asked) {
        self.with(|known| {
            let Some(of) = known.get_mut(id) else { return };
            of.retain(|(met, _)| *met != asked);
            if of.is_empty() {
                known.remove(id);
            }
        });
    }
}
