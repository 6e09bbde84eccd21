//! One append at a time per thread key.
//!
//! A server would serialise them anyway, but each that waits there holds something, such as a connection of
//! the pool: one busy thread could use up all. And an append whose future was dropped goes on: the next one of
//! its key must find it settled (law C1).

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bus_log::ThreadKey;
use tokio::sync::oneshot;

/// The queues, one per key that somebody appends to. The queue of a key that nobody is in takes no memory.
#[derive(Debug, Default)]
pub struct Turns(Mutex<Queues>);

#[derive(Debug, Default)]
struct Queues {
    /// The newest place of each queue, and what tells that it was left.
    newest: HashMap<ThreadKey, (u64, oneshot::Receiver<()>)>,
    places: u64,
}

/// A place in a key's queue; dropped, it lets the next one in.
#[derive(Debug)]
#[must_use = "dropped, it lets the next one in"]
pub struct Turn {
    turns: Arc<Turns>,
    key: ThreadKey,
    place: u64,
    before: Option<oneshot::Receiver<()>>,
    /// Dropped with the turn, which is what tells the next one.
    _left: oneshot::Sender<()>,
}

impl Turns {
    /// Queues up. The order of the calls is the order of the turns.
    pub fn join(self: &Arc<Self>, key: &ThreadKey) -> Turn {
        let (left, told) = oneshot::channel();
        let mut queues = self.queues();
        queues.places += 1;
        let place = queues.places;
        let before = queues.newest.insert(key.clone(), (place, told));
        drop(queues);
        Turn {
            turns: Arc::clone(self),
            key: key.clone(),
            place,
            before: before.map(|(_, told)| told),
            _left: left,
        }
    }

    fn queues(&self) -> MutexGuard<'_, Queues> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Turn {
    /// Waits until those before have left.
    pub async fn come(&mut self) {
        if let Some(before) = &mut self.before {
            // Nothing is ever sent: the sender is dropped.
            let _ = before.await;
        }
        self.before = None;
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let mut queues = self.turns.queues();
        let newest = queues.newest.get(&self.key);
        if newest.is_some_and(|(place, _)| *place == self.place) {
            queues.newest.remove(&self.key);
        }
    }
}

#[cfg(test)]
mod tests;
