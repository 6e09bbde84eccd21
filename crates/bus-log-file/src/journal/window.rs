//! A file read through a buffer, mostly forwards.

use crate::fs::{DiskFile, Result};

/// Bytes that are read at once, unless more are asked for.
pub(super) const WINDOW: usize = 1 << 20;

/// A part of a file in memory, which moves with what is asked for.
#[derive(Debug)]
pub(super) struct Window<'f> {
    file: &'f DiskFile,
    bytes: Vec<u8>,
    /// Position of the first of them.
    start: u64,
}

impl<'f> Window<'f> {
    pub(super) const fn new(file: &'f DiskFile) -> Self {
        Self {
            file,
            bytes: Vec::new(),
            start: 0,
        }
    }

    /// `len` bytes from `position`, fewer only at the end of the file.
    pub(super) fn get(&mut self, position: u64, len: usize) -> Result<&[u8]> {
        if self.within(position, len).is_none() {
            self.bytes.resize(len.max(WINDOW), 0);
            self.start = position;
            let read = self.file.read_at(&mut self.bytes, position);
            self.bytes.truncate(*read.as_ref().unwrap_or(&0));
            read?;
        }
        let from = self.within(position, 0).unwrap_or(self.bytes.len());
        let to = from.saturating_add(len).min(self.bytes.len());
        Ok(&self.bytes[from..to])
    }

    /// Forgets what was read, because the file was changed.
    pub(super) fn forget(&mut self) {
        self.bytes.clear();
    }

    /// Where in the buffer `len` bytes from `position` begin, if they are in it.
    fn within(&self, position: u64, len: usize) -> Option<usize> {
        let from = usize::try_from(position.checked_sub(self.start)?).ok()?;
        (from.checked_add(len)? <= self.bytes.len()).then_some(from)
    }
}
