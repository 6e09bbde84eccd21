//! All that waited for one thread when it was looked at, in one order.

use std::sync::Arc;
use std::time::Instant;

use super::super::tag::Tag;
use super::{Gap, Item, Pool, Queue};

/// The queues of one thread, taken from it all at once, and merged.
#[derive(Debug)]
pub(in super::super) struct Backlog {
    queues: Vec<Queue>,
    /// A gap that comes before all.
    first: Option<Gap>,
    pool: Arc<Pool>,
}

impl Backlog {
    pub(in super::super) const fn new(pool: Arc<Pool>) -> Self {
        Self {
            queues: Vec::new(),
            first: None,
            pool,
        }
    }

    pub(in super::super) fn is_empty(&self) -> bool {
        self.first.is_none() && self.queues.iter().all(Queue::is_empty)
    }

    /// Puts what is in `queues` here, where nothing is, and leaves them empty. Nothing may be pushed
    /// into any of them meanwhile: what is taken from one must not come after what is left in another.
    pub(in super::super) fn swap<'a>(&mut self, queues: impl Iterator<Item = &'a mut Queue>) {
        for (i, queue) in queues.enumerate() {
            if i == self.queues.len() {
                self.queues.push(Queue::new(Arc::clone(&self.pool)));
            }
            let own = &mut self.queues[i];
            // Places go on from where they were.
            own.last = queue.last;
            std::mem::swap(own, queue);
            queue.first = queue.last;
            own.end();
        }
    }

    /// Puts a gap before all.
    pub(super) fn put_back(&mut self, gap: Gap) {
        self.first = Some(gap);
    }

    /// Takes out what comes first.
    pub(super) fn pop(&mut self) -> Option<Item> {
        if let Some(gap) = self.first.take() {
            return Some(Item::Gap(gap));
        }
        loop {
            let heads = self.queues.iter_mut();
            let heads = heads.filter_map(|queue| Some((queue.head()?, queue)));
            let (_, queue) = heads.min_by_key(|(head, _)| *head)?;
            if let Some(item) = queue.pop() {
                return Some(item);
            }
        }
    }

    pub(in super::super) fn earliest(&self) -> Option<Instant> {
        self.queues.iter().filter_map(Queue::earliest).min()
    }

    /// Takes out the events that are too late to be tried.
    pub(in super::super) fn expired(&mut self, now: Instant) -> Vec<Tag> {
        let queues = self.queues.iter_mut();
        queues.flat_map(|queue| queue.expired(now)).collect()
    }
}
