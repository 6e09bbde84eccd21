//! Bytes on their way from callers to the log's thread, in chunks that come back.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Bytes of a chunk. Below the size from which allocators ask the system for each.
const CHUNK: usize = 64 << 10;

/// Bytes of a queue's first chunk: most queues never hold more than a few records.
const FIRST_CHUNK: usize = 512;

/// Chunks that wait to be used again, at most: 2 MiB for all keys of a log.
const POOLED: usize = 32;

/// Chunks that are not in use: taken by callers, given back by the log's thread.
#[derive(Debug, Default)]
pub(in super::super) struct Pool(Mutex<Vec<Vec<u8>>>);

impl Pool {
    fn chunks(&self) -> MutexGuard<'_, Vec<Vec<u8>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self) -> Vec<u8> {
        let pooled = self.chunks().pop();
        pooled.unwrap_or_else(|| Vec::with_capacity(CHUNK))
    }

    fn give(&self, mut chunk: Vec<u8>) {
        if chunk.capacity() != CHUNK {
            return;
        }
        chunk.clear();
        let mut chunks = self.chunks();
        if chunks.len() < POOLED {
            chunks.push(chunk);
        }
    }
}

/// Pieces of bytes, first in, first out. No piece lies in two chunks.
#[derive(Debug)]
pub(super) struct Chunks {
    /// The last is written to. None but it is ever read to its end.
    chunks: VecDeque<Vec<u8>>,
    /// How much of the first is read.
    read: usize,
    pool: Arc<Pool>,
}

impl Chunks {
    pub(super) fn new(pool: Arc<Pool>) -> Self {
        Self {
            chunks: VecDeque::new(),
            read: 0,
            pool,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.unread().is_empty()
    }

    /// Where to write a piece of at most `len` bytes: behind what is there.
    pub(super) fn room(&mut self, len: usize) -> &mut Vec<u8> {
        let has_room = |chunk: &Vec<u8>| chunk.capacity() - chunk.len() >= len;
        if !self.chunks.back().is_some_and(has_room) {
            self.grow(len);
        }
        let last = self.chunks.len() - 1;
        &mut self.chunks[last]
    }

    #[cold]
    fn grow(&mut self, len: usize) {
        let last = self.chunks.back().map_or(0, Vec::capacity);
        let size = (2 * last).clamp(FIRST_CHUNK, CHUNK);
        // One with nothing in it was too small.
        self.release();
        self.chunks.push_back(if len > CHUNK {
            Vec::with_capacity(len)
        } else if size.max(len) > CHUNK / 2 {
            self.pool.take()
        } else {
            Vec::with_capacity(size.max(len))
        });
    }

    /// Puts a piece behind what is there that was written elsewhere.
    pub(super) fn push(&mut self, piece: Vec<u8>) {
        if self.is_empty() {
            self.release();
        }
        self.chunks.push_back(piece);
    }

    /// The rest of the first chunk, which begins with the first piece.
    pub(super) fn unread(&self) -> &[u8] {
        self.chunks.front().map_or(&[], |chunk| &chunk[self.read..])
    }

    /// Notes that the first `len` bytes are read.
    pub(super) fn advance(&mut self, len: usize) {
        self.read += len;
        if !self.unread().is_empty() {
            return;
        }
        self.read = 0;
        let is_last = self.chunks.len() == 1;
        match self.chunks.front_mut() {
            Some(chunk) if is_last && chunk.capacity() <= CHUNK => chunk.clear(),
            _ => {
                if let Some(chunk) = self.chunks.pop_front() {
                    self.pool.give(chunk);
                }
            }
        }
    }

    /// Gives back what it has, if there is nothing in it.
    pub(super) fn release(&mut self) {
        if self.is_empty() {
            for chunk in self.chunks.drain(..) {
                self.pool.give(chunk);
            }
            self.read = 0;
        }
    }
}
