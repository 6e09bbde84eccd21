//! A map that forgets its oldest entries.

use std::collections::{HashMap, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};

/// A map of at most `limit` entries, keyed by a 64-bit hash of the key. Setting one more forgets the
/// one set first: which, depends on nothing but what was set before, so that a longer file does not
/// change what a shorter one gave.
#[derive(Debug)]
pub(crate) struct Recent<V> {
    limit: usize,
    map: HashMap<u64, V>,
    order: VecDeque<u64>,
}

impl<V> Recent<V> {
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            limit,
            map: HashMap::new(),
            order: VecDeque::new(),
        }
    }

    pub(crate) fn get(&self, key: &str) -> Option<&V> {
        self.map.get(&hash(key))
    }

    pub(crate) fn get_mut(&mut self, key: &str) -> Option<&mut V> {
        self.map.get_mut(&hash(key))
    }

    pub(crate) fn set(&mut self, key: &str, value: V) {
        let key = hash(key);
        if self.map.insert(key, value).is_some() {
            return;
        }
        self.order.push_back(key);
        while self.order.len() > self.limit {
            if let Some(oldest) = self.order.pop_front() {
                self.map.remove(&oldest);
            }
        }
    }

    /// Takes an entry out.
    pub(crate) fn remove(&mut self, key: &str) -> Option<V> {
        let key = hash(key);
        let value = self.map.remove(&key)?;
        // Calls are mostly answered soon: the entry is near the end.
        if let Some(at) = self.order.iter().rposition(|k| *k == key) {
            self.order.remove(at);
        }
        Some(value)
    }

    /// Takes the entries out that `wanted` picks, in the order in which they were set.
    pub(crate) fn drain_where(&mut self, mut wanted: impl FnMut(&V) -> bool) -> Vec<V> {
        let mut taken = Vec::new();
        let map = &mut self.map;
        self.order.retain(|key| {
            let picked = map.get(key).is_some_and(&mut wanted);
            if picked {
                taken.extend(map.remove(key));
            }
            !picked
        });
        taken
    }
}

/// A hash that is the same in every process: std's default hasher with its fixed keys.
pub(crate) fn hash(value: impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests;
