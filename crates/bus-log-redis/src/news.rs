//! Who waits for a thread, and how news of it travel: `PUBLISH` in the append's script.
//!
//! What is told is a hash of the thread's key, no name, on one of some channels by that hash: whoever waits for a thread
//! listens to its channel and hears little else. It is a hint and no more: who is woken asks the log.

use std::time::Duration;

use bus_log::ThreadKey;
use bus_remote::{Watch, Watches};

use crate::schema;

/// Channels of a log.
const CHANNELS: u64 = 256;

/// What a waiter polls at while no news can come.
const DEAF: Duration = Duration::from_millis(250);

/// News of one log.
#[derive(Debug)]
pub(crate) struct News {
    prefix: String,
    poll_interval: Duration,
    watches: Watches<u64>,
}

impl News {
    pub(crate) fn new(prefix: &str, poll_interval: Duration) -> Self {
        Self {
            prefix: prefix.into(),
            poll_interval,
            watches: Watches::default(),
        }
    }

    /// The channel that a thread's news come on, and the word that tells of it.
    pub(crate) fn told(&self, key: &ThreadKey) -> (String, String) {
        let hash = schema::hash(key);
        let channel = format!("{}:news:{}", self.prefix, hash % CHANNELS);
        (channel, format!("{hash:016x}"))
    }

    /// Watches a thread from now on.
    pub(crate) fn watch(&self, key: &ThreadKey) -> Watch<'_, u64> {
        self.watches.add(schema::hash(key))
    }

    /// How long who waits may go without a look of its own.
    pub(crate) fn patience(&self, hears: bool) -> Duration {
        if hears {
            self.poll_interval
        } else {
            DEAF.min(self.poll_interval)
        }
    }

    /// A thread was appended to through this log.
    pub(crate) fn appended(&self, key: &ThreadKey) {
        self.watches.wake(&schema::hash(key));
    }

    /// A word came on a channel. Anybody can have said it: one that is none is passed over.
    pub(crate) fn heard(&self, word: &[u8]) {
        let hash = std::str::from_utf8(word).ok();
        let hash = hash.and_then(|word| u64::from_str_radix(word, 16).ok());
        if let Some(hash) = hash {
            self.watches.wake(&hash);
        }
    }

    /// Wakes everybody.
    pub(crate) fn wake_all(&self) {
        self.watches.wake_all();
    }
}
