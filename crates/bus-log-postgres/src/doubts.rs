//! Threads whose last append or erasure has an unknown outcome, and who may still be at it.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use bus_log::ThreadKey;

use crate::connect::Backend;

/// By thread key, the backend to be ended before the next change. At most one: the next change
/// settles it or fails.
#[derive(Debug, Default)]
pub(crate) struct Doubts(Mutex<HashMap<ThreadKey, Backend>>);

impl Doubts {
    pub(crate) fn of(&self, key: &ThreadKey) -> Option<Backend> {
        self.doubts().get(key).copied()
    }

    pub(crate) fn raise(&self, key: &ThreadKey, backend: Backend) {
        self.doubts().insert(key.clone(), backend);
    }

    pub(crate) fn settled(&self, key: &ThreadKey) {
        self.doubts().remove(key);
    }

    fn doubts(&self) -> MutexGuard<'_, HashMap<ThreadKey, Backend>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
