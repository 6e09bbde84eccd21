//! A map of what others hold.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Weak};

/// Values that are there for as long as somebody else holds them.
#[derive(Debug)]
pub(crate) struct WeakMap<K, V> {
    values: HashMap<K, Weak<V>>,
    /// Size at which dead entries are swept out: at most half of them are dead after it.
    sweep_at: usize,
}

impl<K, V> Default for WeakMap<K, V> {
    fn default() -> Self {
        Self {
            values: HashMap::new(),
            sweep_at: 64,
        }
    }
}

impl<K: Clone + Eq + Hash, V> WeakMap<K, V> {
    pub(crate) fn get_or_insert_with(&mut self, key: &K, new: impl FnOnce() -> V) -> Arc<V> {
        if let Some(value) = self.values.get(key).and_then(Weak::upgrade) {
            return value;
        }
        if self.values.len() >= self.sweep_at {
            self.values.retain(|_, value| value.strong_count() > 0);
            self.sweep_at = (2 * self.values.len()).max(64);
            self.values.shrink_to(self.sweep_at);
        }
        let value = Arc::new(new());
        self.values.insert(key.clone(), Arc::downgrade(&value));
        value
    }
}

#[cfg(test)]
mod tests;
