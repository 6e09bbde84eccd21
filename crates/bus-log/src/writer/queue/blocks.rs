//! A queue that never moves what it holds.

use std::collections::VecDeque;

/// Items of one block.
const BLOCK: usize = 64;

/// A queue in blocks: growing copies nothing, and what a burst took is given back as it drains.
#[derive(Debug)]
pub(super) struct Blocks<T>(VecDeque<VecDeque<T>>);

impl<T> Default for Blocks<T> {
    fn default() -> Self {
        Self(VecDeque::new())
    }
}

impl<T> Blocks<T> {
    pub(super) fn back_mut(&mut self) -> Option<&mut T> {
        self.0.back_mut()?.back_mut()
    }

    pub(super) fn push_back(&mut self, item: T) {
        match self.0.back_mut() {
            Some(block) if block.len() < BLOCK => block.push_back(item),
            last => {
                // Most queues never hold more than a few.
                let room = if last.is_some() { BLOCK } else { 1 };
                self.0.push_back(Self::block(item, room));
            }
        }
    }

    pub(super) fn pop_front(&mut self) -> Option<T> {
        let block = self.0.front_mut()?;
        let item = block.pop_front();
        if block.is_empty() {
            self.0.pop_front();
        }
        item
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.0.iter_mut().flatten()
    }

    fn block(item: T, room: usize) -> VecDeque<T> {
        let mut block = VecDeque::with_capacity(room);
        block.push_back(item);
        block
    }
}
