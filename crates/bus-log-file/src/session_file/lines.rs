//! A file's lines, forwards and backwards, with bounded memory.

use crate::fs::{DiskFile, Result};
use crate::line::MAX_LINE;

/// Bytes that are read at first: a few lines, which is what a search looks at.
const FIRST: usize = 2 << 10;

/// Bytes that are read at once in the end. More would not stay in the processor's cache until it is
/// parsed.
const CHUNK: usize = 128 << 10;

/// Reads lines forwards.
#[derive(Debug)]
pub(crate) struct LineReader<'f> {
    file: &'f DiskFile,
    /// Not read past this byte.
    end: u64,
    /// Filled up to `filled`; what lies behind is room that was used before.
    buffer: Vec<u8>,
    filled: usize,
    /// Position of the buffer's first byte.
    base: u64,
    /// What of the buffer is consumed.
    consumed: usize,
    /// Bytes to read next.
    step: usize,
}

/// A line as it stands in the file.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct RawLine<'b> {
    /// Position of its first byte.
    pub(crate) start: u64,
    /// Without its line break.
    pub(crate) bytes: &'b [u8],
    /// False where the file ends, or a line would be too long, before a line break came.
    pub(crate) terminated: bool,
}

impl<'f> LineReader<'f> {
    pub(crate) const fn new(file: &'f DiskFile, start: u64, end: u64) -> Self {
        Self {
            file,
            end,
            buffer: Vec::new(),
            filled: 0,
            base: start,
            consumed: 0,
            step: FIRST,
        }
    }

    /// Position of the next line.
    pub(crate) const fn position(&self) -> u64 {
        self.base + self.consumed as u64
    }

    /// The next line; `None` at the end.
    pub(crate) fn next(&mut self) -> Result<Option<RawLine<'_>>> {
        let mut searched = 0;
        let (length, terminated) = loop {
            let rest = &self.buffer[self.consumed..self.filled];
            if let Some(found) = memchr::memchr(b'\n', &rest[searched..]) {
                break (searched + found, true);
            }
            searched = rest.len();
            if searched > MAX_LINE || !self.fill()? {
                break (searched, false);
            }
        };
        let start = self.position();
        let from = self.consumed;
        self.consumed += length + usize::from(terminated);
        Ok((length > 0 || terminated).then(|| RawLine {
            start,
            bytes: &self.buffer[from..from + length],
            terminated,
        }))
    }

    /// Passes over the line, or the rest of one, that stands here; false if the file ends before its
    /// line break. However long it is, it is not held.
    pub(super) fn skip(&mut self) -> Result<bool> {
        loop {
            let rest = &self.buffer[self.consumed..self.filled];
            if let Some(found) = memchr::memchr(b'\n', rest) {
                self.consumed += found + 1;
                return Ok(true);
            }
            self.consumed = self.filled;
            if !self.fill()? {
                return Ok(false);
            }
        }
    }

    /// What comes next, without consuming it: `len` bytes, fewer only at the end.
    pub(super) fn peek(&mut self, len: usize) -> Result<&[u8]> {
        while self.filled - self.consumed < len && self.fill()? {}
        let end = self.filled.min(self.consumed + len);
        Ok(&self.buffer[self.consumed..end])
    }

    /// Reads on; false at the end.
    fn fill(&mut self) -> Result<bool> {
        self.buffer.copy_within(self.consumed..self.filled, 0);
        self.base += self.consumed as u64;
        self.filled -= self.consumed;
        self.consumed = 0;
        let position = self.base + self.filled as u64;
        let left = usize::try_from(self.end.saturating_sub(position)).unwrap_or(usize::MAX);
        // A long line doubles the step, so that it is not searched chunk by chunk.
        let step = left.min(self.step.max(self.filled));
        self.step = CHUNK.min(self.step * 4);
        if self.buffer.len() < self.filled + step {
            self.buffer.resize(self.filled + step, 0);
        }
        let room = &mut self.buffer[self.filled..self.filled + step];
        let read = self.file.read_at(room, position)?;
        self.filled += read;
        Ok(read > 0)
    }
}

/// Where the line starts that ends before `end` (after its line break, if it has one); never before
/// `lower`.
pub(super) fn line_start(file: &DiskFile, lower: u64, end: u64) -> Result<u64> {
    // The line's own break does not count.
    let mut high = end.saturating_sub(1).max(lower);
    let mut step = 4096;
    while high > lower {
        let low = high.saturating_sub(step).max(lower);
        let bytes = file.range(low, high)?;
        if let Some(found) = memchr::memrchr(b'\n', &bytes) {
            return Ok(low + found as u64 + 1);
        }
        high = low;
        step = (step * 2).min(1 << 20);
    }
    Ok(lower)
}
