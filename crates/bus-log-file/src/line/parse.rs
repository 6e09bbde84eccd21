//! Reading a line back.
//!
//! A replay comes through here once per event, so the frame is read by hand, each byte once: nothing
//! is formatted to compare it, and the text is validated only where it is asked for.

use bus_log::{CustomEvent, DateTime, Event, Json, JsonError, Meta, Recorded, Utc};
use crc32c::crc32c;

use super::{AFTER_SUM, DIGITS, ORDINAL, PREFIX, SUM, finish_sum, time};
use crate::layout::ThreadId;

const AFTER_DIGITS: usize = ORDINAL.len() + DIGITS;
const AFTER_SUM_NAME: usize = AFTER_DIGITS + SUM.len();

/// A line whose sum holds, taken apart. Its text is not known to be UTF-8 yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Line<'a> {
    pub(crate) ordinal: u64,
    /// 1-based place in its batch.
    pub(crate) number: u64,
    /// Size of its batch.
    pub(crate) count: u64,
    at: &'a [u8],
    /// Empty if it has none.
    meta: &'a [u8],
    event: &'a [u8],
}

/// Why bytes are not the line they should be.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LineError {
    #[error("not a line of a session file")]
    Form,
    #[error("checksum does not hold")]
    Sum,
    #[error("time can't be read")]
    Time,
    #[error("{0}")]
    Json(&'static str, #[source] JsonError),
}

/// The ordinal at the start of a line; nothing else of the line is checked.
pub(crate) fn peek_ordinal(bytes: &[u8]) -> Option<u64> {
    let digits = bytes.strip_prefix(ORDINAL)?.first_chunk::<DIGITS>()?;
    // From behind: most have a few digits, and what is left is looked at all at once.
    let mut start = DIGITS;
    while start > 0 && digits[start - 1].is_ascii_digit() {
        start -= 1;
    }
    let (spaces, digits) = digits.split_at(start);
    if spaces != &[b' '; DIGITS][..start] {
        return None;
    }
    number(digits).map(|(number, _)| number)
}

/// Bytes of a line that [`peek_ordinal`] needs.
pub(crate) const PEEK: usize = AFTER_DIGITS;

/// True if `bytes` may be the beginning of a line that is being written.
pub(crate) fn may_begin_with(bytes: &[u8]) -> bool {
    let common = ORDINAL.len().min(bytes.len());
    ORDINAL[..common] == bytes[..common] && bytes.iter().all(|byte| *byte >= b' ')
}

impl<'a> Line<'a> {
    /// Reads a line, without its line break, of the thread `id`.
    pub(crate) fn parse(bytes: &'a [u8], id: &ThreadId) -> Result<Self, LineError> {
        let (prefix, rest) = bytes.split_first_chunk::<PREFIX>().ok_or(LineError::Form)?;
        let ordinal = peek_ordinal(prefix).ok_or(LineError::Form)?;
        let sum = finish_sum(crc32c(rest), ordinal, id);
        // The ordinal has one spelling only, so the prefix is exactly what was written.
        if prefix[AFTER_DIGITS..AFTER_SUM_NAME] != *SUM
            || prefix[AFTER_SUM_NAME..AFTER_SUM_NAME + 8] != hex(sum)
            || prefix[AFTER_SUM_NAME + 8..] != *AFTER_SUM
        {
            return Err(LineError::Sum);
        }
        Self::parse_rest(ordinal, rest).ok_or(LineError::Form)
    }

    /// Reads what the sum has vouched for. Still nothing may be taken for granted: a sum can hold
    /// by chance.
    pub(crate) fn parse_rest(ordinal: u64, rest: &'a [u8]) -> Option<Self> {
        let (number, rest) = self::number(rest.strip_prefix(br#""batch":["#)?)?;
        let (count, rest) = self::number(rest.strip_prefix(b",")?)?;
        let rest = rest.strip_prefix(br#"],"at":""#)?;
        let end = match rest.get(time::USUAL) {
            Some(b'"') => time::USUAL,
            _ => memchr::memchr(b'"', rest)?,
        };
        let (at, rest) = rest.split_at(end);
        let rest = rest.strip_prefix(br#"","#)?;
        let (meta, rest) = match rest.strip_prefix(br#""meta":"#) {
            Some(rest) => {
                let (meta, rest) = rest.split_at(object_end(rest)?);
                (meta, rest.strip_prefix(b",")?)
            }
            None => (&b""[..], rest),
        };
        let event = rest.strip_prefix(br#""event":"#)?.strip_suffix(b"}")?;
        (1 <= number && number <= count && number <= ordinal).then_some(Self {
            ordinal,
            number,
            count,
            at,
            meta,
            event,
        })
    }

    /// Bytes as the page limit counts them.
    pub(crate) const fn size(&self) -> usize {
        self.meta.len() + self.event.len()
    }

    pub(crate) fn at(&self) -> Result<DateTime<Utc>, LineError> {
        time::parse(self.at).ok_or(LineError::Time)
    }

    /// The meta object's text, if it has one.
    pub(crate) fn meta_text(&self) -> Result<Option<&'a str>, LineError> {
        match self.meta {
            b"" => Ok(None),
            meta => text(meta).map(Some),
        }
    }

    /// The event's text.
    pub(crate) fn event_text(&self) -> Result<&'a str, LineError> {
        text(self.event)
    }

    /// The event's type, where it stands first and is spelt without escapes: as we write it.
    pub(crate) fn leading_type(&self) -> Option<&'a str> {
        let rest = self.event.strip_prefix(br#"{"type":""#)?;
        let end = memchr::memchr2(b'"', b'\\', rest)?;
        let (kind, rest) = rest.split_at(end);
        // Of several types the last one counts: only where `data` is all that follows is it this one.
        let alone = match rest {
            b"\"}" => true,
            rest => {
                let data = rest.strip_prefix(br#"","data":"#)?.strip_suffix(b"}")?;
                value_end(data)? == data.len()
            }
        };
        alone.then(|| std::str::from_utf8(kind).ok()).flatten()
    }

    /// The event, typed.
    pub(crate) fn typed(&self) -> Result<Recorded, LineError> {
        let event = Event::parse(self.event_text()?)
            .map_err(|error| LineError::Json("event can't be read", error))?;
        self.recorded(event)
    }

    /// The event, its bytes untouched.
    pub(crate) fn raw(&self) -> Result<Recorded, LineError> {
        let event = Json::parse(self.event_text()?)
            .and_then(CustomEvent::from_json)
            .map_err(|error| LineError::Json("event can't be read", error))?;
        self.recorded(event.into())
    }

    fn recorded(&self, event: Event) -> Result<Recorded, LineError> {
        let meta = match self.meta_text()? {
            None => Meta::default(),
            Some(text) => {
                Meta::parse(text).map_err(|error| LineError::Json("meta can't be read", error))?
            }
        };
        Ok(Recorded {
            ordinal: self.ordinal,
            at: self.at()?,
            meta,
            event,
        })
    }
}

fn text(bytes: &[u8]) -> Result<&str, LineError> {
    std::str::from_utf8(bytes).map_err(|_| LineError::Form)
}

/// The number at the beginning, in its one spelling, and what follows.
fn number(bytes: &[u8]) -> Option<(u64, &[u8])> {
    /// So many digits fit, whatever they are.
    const SAFE: usize = 19;
    let mut number = 0_u64;
    let mut digits = 0;
    while let Some(byte) = bytes.get(digits)
        && byte.is_ascii_digit()
    {
        let digit = u64::from(byte - b'0');
        number = if digits < SAFE {
            number * 10 + digit
        } else {
            number.checked_mul(10)?.checked_add(digit)?
        };
        digits += 1;
    }
    if digits == 0 || (digits > 1 && bytes[0] == b'0') {
        return None;
    }
    Some((number, &bytes[digits..]))
}

/// Eight hex digits, all at once: a nibble to each byte, then to each its character.
fn hex(sum: u32) -> [u8; 8] {
    const EACH: u64 = 0x0101_0101_0101_0101;
    let mut nibbles = u64::from(sum);
    nibbles = (nibbles << 16 | nibbles) & 0x0000_ffff_0000_ffff;
    nibbles = (nibbles << 8 | nibbles) & 0x00ff_00ff_00ff_00ff;
    nibbles = (nibbles << 4 | nibbles) & 0x0f0f_0f0f_0f0f_0f0f;
    // Adding 6 carries into the next nibble from ten on.
    let letters = (nibbles + 6 * EACH) >> 4 & EACH;
    (nibbles + EACH * u64::from(b'0') + letters * u64::from(b'a' - b'0' - 10)).to_be_bytes()
}

/// Where the object ends that begins here. Only for what is JSON anyway is it right; of anything else
/// the parts fail to parse afterwards.
fn object_end(bytes: &[u8]) -> Option<usize> {
    (bytes.first() == Some(&b'{')).then(|| value_end(bytes))?
}

/// Where the JSON value ends that begins here, as [`object_end`].
fn value_end(bytes: &[u8]) -> Option<usize> {
    match bytes.first()? {
        b'"' => string_end(bytes, 1),
        b'{' | b'[' => nested_end(bytes),
        _ => Some(memchr::memchr3(b',', b'}', b']', bytes).unwrap_or(bytes.len())),
    }
}

fn nested_end(bytes: &[u8]) -> Option<usize> {
    let mut depth = 0_usize;
    let mut at = 0;
    loop {
        match bytes.get(at)? {
            b'"' => {
                at = string_end(bytes, at + 1)?;
                continue;
            }
            b'{' | b'[' => depth += 1,
            b'}' | b']' => {
                depth -= 1;
                if depth == 0 {
                    return Some(at + 1);
                }
            }
            _ => {}
        }
        at += 1;
    }
}

/// Where the string ends of which `start` is the first character, after its quote.
///
/// Quotes are looked for, and not escapes: the output of tools has many line breaks, and few quotes.
fn string_end(bytes: &[u8], start: usize) -> Option<usize> {
    let mut at = start;
    loop {
        at += memchr::memchr(b'"', bytes.get(at..)?)?;
        let before = bytes[start..at].iter().rev();
        let escapes = before.take_while(|byte| **byte == b'\\').count();
        at += 1;
        // Each two of them are one that is escaped.
        if escapes.is_multiple_of(2) {
            return Some(at);
        }
    }
}

#[cfg(test)]
mod tests;
