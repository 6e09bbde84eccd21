//! One append at a time per thread key.
//!
//! A server would serialise them anyway, but each that waits there holds something, such as a connection of
//! the pool: one busy thread could use up all. And an append whose future was dropped goes on: the next one of
//! its key must find it settled (law C1).

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bus_log::ThreadKey;
use tokio::sync::oneshot;

/// The queues, one per key that somebody appends to. The queue of a key that nobody has a place in takes no memory.
#[derive(Debug, Default)]
pub struct Turns(Mutex<Queues>);

#[derive(Debug, Default)]
struct Queues {
    queues: HashMap<ThreadKey, Queue>,
    places: u64,
}

#[derive(Debug)]
struct Queue {
    /// The newest place, and what tells that it was left; `None` once somebody waits for that.
    newest: u64,
    left: Option<oneshot::Receiver<()>>,
    /// How many places are kept.
    kept: usize,
}

/// A turn in a key's queue; dropped, it lets the next one in.
#[derive(Debug)]
#[must_use = "dropped, it lets the next one in"]
pub struct Turn {
    place: Place,
    before: Option<oneshot::Receiver<()>>,
    /// Dropped with the turn, which is what tells the next one.
    _left: oneshot::Sender<()>,
}

/// The place of a turn that is over, for whoever may have to come again.
#[derive(Debug)]
pub struct Place {
    turns: Arc<Turns>,
    key: ThreadKey,
    number: u64,
}

impl Turns {
    /// Queues up. The order of the calls is the order of the turns.
    pub fn join(self: &Arc<Self>, key: &ThreadKey) -> Turn {
        let (left, told) = oneshot::channel();
        let mut queues = self.queues();
        queues.places += 1;
        let number = queues.places;
        let queue = queues.queues.entry(key.clone()).or_insert(Queue {
            newest: number,
            left: None,
            kept: 0,
        });
        queue.newest = number;
        queue.kept += 1;
        let before = queue.left.replace(told);
        drop(queues);
        Turn {
            place: Place {
                turns: Arc::clone(self),
                key: key.clone(),
                number,
            },
            before,
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

    /// Lets the next one in, and remembers the place.
    #[must_use]
    pub fn leave(self) -> Place {
        self.place
    }
}

impl Place {
    /// A turn again, as if the first had not ended; `None` if anybody has queued up since: it would come after whoever
    /// was to come later.
    #[must_use]
    pub fn rejoin(self) -> Option<Turn> {
        let (left, told) = oneshot::channel();
        let mut queues = self.turns.queues();
        let queue = queues.queues.get_mut(&self.key);
        let queue = queue.filter(|queue| queue.newest == self.number)?;
        // Those before had left before the first turn came.
        queue.left = Some(told);
        drop(queues);
        Some(Turn {
            place: self,
            before: None,
            _left: left,
        })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut queues = self.turns.queues();
        if let Some(queue) = queues.queues.get_mut(&self.key) {
            queue.kept -= 1;
            if queue.kept == 0 {
                queues.queues.remove(&self.key);
            }
        }
    }
}

#[cfg(test)]
mod tests;
