//! A session's name as the log uses it.

use std::cell::RefCell;
use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::Arc;

use bus_log::ThreadKey;

use crate::layout::ThreadId;

/// A key and its identity, which takes a SHA-256 to find.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Name {
    pub(crate) key: ThreadKey,
    pub(crate) id: ThreadId,
}

impl Name {
    pub(crate) fn new(key: ThreadKey) -> Arc<Self> {
        let id = ThreadId::new(&key);
        Arc::new(Self { key, id })
    }

    /// The name of `key`, kept by each thread for the keys it used last.
    pub(crate) fn of(key: &ThreadKey) -> Arc<Self> {
        const KEPT: usize = 256;
        thread_local! {
            static NAMES: RefCell<Vec<Option<Arc<Name>>>> = const { RefCell::new(Vec::new()) };
        }
        let kept = NAMES.try_with(|names| {
            let mut names = names.borrow_mut();
            names.resize(KEPT, None);
            let place = &mut names[short_hash(key) as usize % KEPT];
            match place {
                Some(name) if name.key == *key => Arc::clone(name),
                _ => Arc::clone(place.insert(Self::new(key.clone()))),
            }
        });
        // A thread that is ending keeps nothing.
        kept.unwrap_or_else(|_| Self::new(key.clone()))
    }
}

/// FNV-1a: it only chooses a place, and names are short.
fn short_hash(key: &ThreadKey) -> u32 {
    let tenant = key.tenant_id().as_str().bytes();
    tenant
        .chain(key.thread_id().bytes())
        .fold(0x811c_9dc5, |hash, byte| {
            (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)
        })
}

/// A map by identity: its bytes are a hash already, of which nobody chooses the first half.
pub(crate) type IdMap<V> = HashMap<ThreadId, V, BuildHasherDefault<IdHasher>>;

/// Takes the first eight bytes of an identity for its hash.
#[derive(Debug, Default)]
pub(crate) struct IdHasher(u64);

impl Hasher for IdHasher {
    fn write(&mut self, bytes: &[u8]) {
        if let Some(first) = bytes.first_chunk() {
            self.0 = u64::from_le_bytes(*first);
        }
    }

    fn write_usize(&mut self, _length: usize) {}

    fn finish(&self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests;
