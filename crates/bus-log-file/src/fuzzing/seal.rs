//! Putting sums right, so that a fuzzer gets behind them.

use super::key;
use crate::journal::{seal_frames, seal_header};
use crate::layout::ThreadId;
use crate::line::{PREFIX, finish_sum, peek_ordinal, prefix_of};

/// Gives everything that looks like a line of the fuzzed session its sum.
pub(super) fn lines(bytes: &mut [u8]) {
    let id = ThreadId::new(&key());
    let mut from = 0;
    while let Some(found) = memchr::memmem::find(&bytes[from..], br#"{"ordinal":"#) {
        let start = from + found;
        let end = memchr::memchr(b'\n', &bytes[start..]).map_or(bytes.len(), |len| start + len);
        let line = &mut bytes[start..end];
        if let (Some(ordinal), Some((prefix, rest))) =
            (peek_ordinal(line), line.split_first_chunk_mut::<PREFIX>())
        {
            *prefix = prefix_of(ordinal, finish_sum(crc32c::crc32c(rest), ordinal, &id));
        }
        from = start + 1;
    }
}

/// Gives a segment, its frames and the lines in them their sums.
pub(super) fn segment(bytes: &mut [u8], journal: [u8; 16], number: u64) {
    lines(bytes);
    seal_header(bytes, journal, number);
    seal_frames(bytes, journal, number);
}
