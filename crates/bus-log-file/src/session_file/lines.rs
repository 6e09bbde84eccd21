//! A file's lines, forwards and backwards, with bounded memory.

use crate::fs::{DiskFile, Result};
use crate::line::MAX_LINE;

/// Bytes that are read at once.
const CHUNK: usize = 64 << 10;

/// Reads lines forwards.
#[derive(Debug)]
pub(crate) struct LineReader<'f> {
    file: &'f DiskFile,
    /// Not read past this byte.
    end: u64,
    buffer: Vec<u8>,
    /// Position of the buffer's first byte.
    base: u64,
    /// What of the buffer is consumed.
    consumed: usize,
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
            base: start,
            consumed: 0,
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
            let rest = &self.buffer[self.consumed..];
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

    /// Reads on; false at the end.
    fn fill(&mut self) -> Result<bool> {
        self.buffer.drain(..self.consumed);
        self.base += self.consumed as u64;
        self.consumed = 0;
        let held = self.buffer.len();
        let position = self.base + held as u64;
        let left = usize::try_from(self.end.saturating_sub(position)).unwrap_or(usize::MAX);
        // A long line doubles the step, so that it is not searched chunk by chunk.
        let step = left.min(CHUNK.max(held));
        self.buffer.resize(held + step, 0);
        let read = self.file.read_at(&mut self.buffer[held..], position)?;
        self.buffer.truncate(held + read);
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
