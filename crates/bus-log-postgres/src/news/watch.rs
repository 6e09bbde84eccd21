//! Who waits for which thread, in this process.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

/// The threads that somebody waits for, by their hash.
#[derive(Debug, Default)]
pub(super) struct Watches(Mutex<HashMap<u64, watch::Sender<()>>>);

/// One who waits for one thread.
#[derive(Debug)]
pub(crate) struct Watch<'a> {
    watches: &'a Watches,
    hash: u64,
    woken: watch::Receiver<()>,
}

impl Watches {
    pub(super) fn add(&self, hash: u64) -> Watch<'_> {
        let mut senders = self.senders();
        let sender = senders
            .entry(hash)
            .or_insert_with(|| watch::Sender::new(()));
        Watch {
            watches: self,
            hash,
            woken: sender.subscribe(),
        }
    }

    pub(super) fn wake(&self, hash: u64) {
        if let Some(sender) = self.senders().get(&hash) {
            sender.send_replace(());
        }
    }

    pub(super) fn wake_all(&self) {
        for sender in self.senders().values() {
            sender.send_replace(());
        }
    }

    fn senders(&self) -> MutexGuard<'_, HashMap<u64, watch::Sender<()>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Watch<'_> {
    /// Waits for news since the watch began, or since it last returned.
    pub(crate) async fn woken(&mut self) {
        // The sender is there as long as somebody watches.
        let _ = self.woken.changed().await;
    }
}

impl Drop for Watch<'_> {
    fn drop(&mut self) {
        let mut senders = self.watches.senders();
        let sender = senders.get(&self.hash);
        // This one is still counted.
        if sender.is_some_and(|sender| sender.receiver_count() == 1) {
            senders.remove(&self.hash);
        }
    }
}

#[cfg(test)]
mod tests;
