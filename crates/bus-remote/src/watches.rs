//! Who waits for which thread, in this process.

use std::borrow::Borrow;
use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

/// What somebody waits for: threads, by whatever the news of them names them with. It holds nothing for what nobody
/// waits for.
#[derive(Debug)]
pub struct Watches<K: Eq + Hash>(Mutex<HashMap<K, watch::Sender<()>>>);

impl<K: Eq + Hash> Default for Watches<K> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

/// One who waits for one thread.
#[derive(Debug)]
pub struct Watch<'a, K: Eq + Hash> {
    watches: &'a Watches<K>,
    name: K,
    woken: watch::Receiver<()>,
}

impl<K: Eq + Hash + Clone> Watches<K> {
    /// Watches from now on.
    pub fn add(&self, name: K) -> Watch<'_, K> {
        let mut senders = self.senders();
        let sender = senders
            .entry(name.clone())
            .or_insert_with(|| watch::Sender::new(()));
        Watch {
            watches: self,
            name,
            woken: sender.subscribe(),
        }
    }
}

impl<K: Eq + Hash> Watches<K> {
    /// Wakes who watches this one.
    pub fn wake<Q: Eq + Hash + ?Sized>(&self, name: &Q)
    where
        K: Borrow<Q>,
    {
        if let Some(sender) = self.senders().get(name) {
            sender.send_replace(());
        }
    }

    /// Whether nobody watches anything.
    pub fn is_empty(&self) -> bool {
        self.senders().is_empty()
    }

    /// Wakes everybody.
    pub fn wake_all(&self) {
        for sender in self.senders().values() {
            sender.send_replace(());
        }
    }

    fn senders(&self) -> MutexGuard<'_, HashMap<K, watch::Sender<()>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K: Eq + Hash> Watch<'_, K> {
    /// Waits for news since the watch began, or since it last returned.
    pub async fn woken(&mut self) {
        // The sender is there as long as somebody watches.
        let _ = self.woken.changed().await;
    }
}

impl<K: Eq + Hash> Drop for Watch<'_, K> {
    fn drop(&mut self) {
        let mut senders = self.watches.senders();
        let sender = senders.get(&self.name);
        // This one is still counted.
        if sender.is_some_and(|sender| sender.receiver_count() == 1) {
            senders.remove(&self.name);
        }
    }
}

#[cfg(test)]
mod tests;
