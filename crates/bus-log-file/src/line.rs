//! One event as one line of a session file.
//!
//! `{"ordinal":                   7,"sum":"89abcdef","batch":[1,3],"at":"…","meta":{…},"event":{…}}`
//!
//! The part up to and with the sum has a fixed width, so that lines are encoded before their ordinals
//! are known, and found by binary search afterwards.

mod encode;
mod parse;
mod time;

use bus_log::MAX_EVENT_BYTES;
use crc32c::crc32c_append;

use crate::layout::ThreadId;

pub(crate) use encode::{Encode, Lines};
pub(crate) use parse::{Line, LineError, PEEK, may_begin_with, peek_ordinal};

const ORDINAL: &[u8] = br#"{"ordinal":"#;
const DIGITS: usize = 20;
const SUM: &[u8] = br#","sum":""#;
const AFTER_SUM: &[u8] = br#"","#;

/// Bytes up to the part that the encoder writes.
pub(crate) const PREFIX: usize = ORDINAL.len() + DIGITS + SUM.len() + 8 + AFTER_SUM.len();

/// Longest line that is ever written, without its line break: an event of the largest size and what
/// stands around it.
pub(crate) const MAX_LINE: usize = MAX_EVENT_BYTES + 1024;

/// What every line begins with.
pub(crate) fn prefix_of(ordinal: u64, sum: u32) -> [u8; PREFIX] {
    const SUM_AT: usize = ORDINAL.len() + DIGITS;
    const SUM_DIGITS_AT: usize = SUM_AT + SUM.len();
    let mut prefix = [b' '; PREFIX];
    prefix[..ORDINAL.len()].copy_from_slice(ORDINAL);
    let mut left = ordinal;
    for digit in prefix[ORDINAL.len()..SUM_AT].iter_mut().rev() {
        *digit = b'0' + (left % 10) as u8;
        left /= 10;
        if left == 0 {
            break;
        }
    }
    prefix[SUM_AT..SUM_DIGITS_AT].copy_from_slice(SUM);
    for (place, digit) in prefix[SUM_DIGITS_AT..][..8].iter_mut().enumerate() {
        *digit = b"0123456789abcdef"[(sum >> (28 - 4 * place)) as usize & 15];
    }
    prefix[SUM_DIGITS_AT + 8..].copy_from_slice(AFTER_SUM);
    prefix
}

/// The sum of a line: CRC-32C of what follows the prefix, the ordinal and the thread's identity, so
/// that a line that stands elsewhere fails.
pub(crate) fn finish_sum(rest: u32, ordinal: u64, id: &ThreadId) -> u32 {
    let mut place = [0; 24];
    place[..8].copy_from_slice(&ordinal.to_le_bytes());
    place[8..].copy_from_slice(id.as_bytes());
    crc32c_append(rest, &place)
}

#[cfg(test)]
mod tests;
