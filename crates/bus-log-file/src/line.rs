//! One event as one line of a session file.
//!
//! `{"ordinal":                   7,"sum":"89abcdef","batch":[1,3],"at":"…","meta":{…},"event":{…}}`
//!
//! The part up to and with the sum has a fixed width, so that lines are encoded before their ordinals
//! are known, and found by binary search afterwards.

use std::io::Write as _;

use bus_log::{
    CustomEvent, DateTime, Event, Json, JsonError, LogError, MAX_EVENT_BYTES, Meta, Recorded,
    Result, Utc, to_micros,
};
use crc32c::{crc32c, crc32c_append};
use serde_json::value::RawValue;

use crate::layout::ThreadId;

const ORDINAL: &[u8] = br#"{"ordinal":"#;
const DIGITS: usize = 20;
const SUM: &[u8] = br#","sum":""#;
const AFTER_SUM: &[u8] = br#"","#;

/// Bytes up to the part that the encoder writes.
pub(crate) const PREFIX: usize = ORDINAL.len() + DIGITS + SUM.len() + 8 + AFTER_SUM.len();

/// Longest line that is ever written, without its line break: an event of the largest size and what
/// stands around it.
pub(crate) const MAX_LINE: usize = MAX_EVENT_BYTES + 1024;

/// A batch's lines, complete but for their ordinals and sums.
#[derive(Debug, Default)]
pub(crate) struct Lines {
    bytes: Vec<u8>,
    spans: Vec<Span>,
}

#[derive(Debug)]
struct Span {
    start: usize,
    /// Sum of what follows the prefix.
    rest: u32,
}

impl Lines {
    /// Room for a batch.
    pub(crate) fn with_capacity(events: usize) -> Self {
        Self {
            bytes: Vec::with_capacity(events.min(1024) * 256),
            spans: Vec::with_capacity(events),
        }
    }

    /// Adds the `number`th of `count` events.
    pub(crate) fn push(
        &mut self,
        number: usize,
        count: usize,
        at: DateTime<Utc>,
        meta: &Meta,
        event: &Event,
    ) -> Result<()> {
        let start = self.bytes.len();
        self.bytes.resize(start + PREFIX, b' ');
        let at = to_micros(at).format("%Y-%m-%dT%H:%M:%S%.6fZ");
        // Writing to memory can't fail.
        let _ = write!(self.bytes, r#""batch":[{number},{count}],"at":"{at}","#);
        let mut size = 0;
        if !meta.is_empty() {
            size = meta.as_str().len();
            self.bytes.extend_from_slice(br#""meta":"#);
            self.bytes.extend_from_slice(meta.as_str().as_bytes());
            self.bytes.push(b',');
        }
        self.bytes.extend_from_slice(br#""event":"#);
        let before = self.bytes.len();
        match event {
            Event::Custom(event) => self
                .bytes
                .extend_from_slice(event.as_json().as_str().as_bytes()),
            event => serde_json::to_writer(&mut self.bytes, event)
                .map_err(|error| LogError::invalid("event has no json form").with_source(error))?,
        }
        size += self.bytes.len() - before;
        if size > MAX_EVENT_BYTES {
            return Err(LogError::invalid(format!(
                "event of {size} bytes, at most {MAX_EVENT_BYTES}"
            )));
        }
        self.bytes.push(b'}');
        let end = self.bytes.len();
        let rest = &self.bytes[start + PREFIX..end];
        if memchr::memchr(b'\n', rest).is_some() {
            return Err(LogError::internal("event with a line break between tokens"));
        }
        let rest = crc32c(rest);
        self.bytes.push(b'\n');
        self.spans.push(Span { start, rest });
        Ok(())
    }

    /// Numbers the lines from `first` on.
    pub(crate) fn stamp(&mut self, id: &ThreadId, first: u64) {
        for (ordinal, span) in (first..=u64::MAX).zip(&self.spans) {
            let sum = finish_sum(span.rest, ordinal, id);
            let prefix = &mut self.bytes[span.start..span.start + PREFIX];
            prefix.copy_from_slice(&prefix_of(ordinal, sum));
        }
    }

    pub(crate) fn count(&self) -> usize {
        self.spans.len()
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }
}

/// What every line begins with.
fn prefix_of(ordinal: u64, sum: u32) -> [u8; PREFIX] {
    let mut prefix = [0; PREFIX];
    // The widest ordinal fits, and writing to memory can't fail otherwise.
    let _ = write!(
        prefix.as_mut_slice(),
        r#"{{"ordinal":{ordinal:>20},"sum":"{sum:08x}","#
    );
    prefix
}

/// The sum of a line: CRC-32C of what follows the prefix, the ordinal and the thread's identity, so
/// that a line that stands elsewhere fails.
fn finish_sum(rest: u32, ordinal: u64, id: &ThreadId) -> u32 {
    let mut place = [0; 24];
    place[..8].copy_from_slice(&ordinal.to_le_bytes());
    place[8..].copy_from_slice(id.as_bytes());
    crc32c_append(rest, &place)
}

/// A line whose sum holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Line<'a> {
    pub(crate) ordinal: u64,
    /// 1-based place in its batch.
    pub(crate) number: u64,
    /// Size of its batch.
    pub(crate) count: u64,
    at: &'a str,
    meta: &'a str,
    event: &'a str,
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
    let digits = bytes.strip_prefix(ORDINAL)?.get(..DIGITS)?;
    number(digits.trim_ascii_start())
}

/// True if `bytes` may be the beginning of a line that is being written.
pub(crate) fn may_begin_with(bytes: &[u8]) -> bool {
    let common = ORDINAL.len().min(bytes.len());
    ORDINAL[..common] == bytes[..common] && bytes.iter().all(|byte| *byte >= b' ')
}

impl<'a> Line<'a> {
    /// Reads a line, without its line break, of the thread `id`.
    pub(crate) fn parse(bytes: &'a [u8], id: &ThreadId) -> Result<Self, LineError> {
        let ordinal = peek_ordinal(bytes).ok_or(LineError::Form)?;
        let (prefix, rest) = bytes.split_at_checked(PREFIX).ok_or(LineError::Form)?;
        let sum = finish_sum(crc32c(rest), ordinal, id);
        if prefix != prefix_of(ordinal, sum) {
            return Err(LineError::Sum);
        }
        Self::parse_rest(ordinal, rest).ok_or(LineError::Form)
    }

    /// Reads what the sum has vouched for. Still nothing may be taken for granted: a sum can hold
    /// by chance.
    fn parse_rest(ordinal: u64, rest: &'a [u8]) -> Option<Self> {
        let rest = std::str::from_utf8(rest).ok()?;
        let rest = rest.strip_prefix(r#""batch":["#)?;
        let (number_text, rest) = rest.split_once(',')?;
        let (count_text, rest) = rest.split_once(r#"],"at":""#)?;
        let number = number(number_text.as_bytes())?;
        let count = self::number(count_text.as_bytes())?;
        let (at, rest) = rest.split_once(r#"","#)?;
        let (meta, rest) = match rest.strip_prefix(r#""meta":"#) {
            Some(rest) => {
                let mut values =
                    serde_json::Deserializer::from_str(rest).into_iter::<&'a RawValue>();
                let meta = values.next()?.ok()?.get();
                (meta, rest.get(values.byte_offset()..)?.strip_prefix(',')?)
            }
            None => ("", rest),
        };
        let event = rest.strip_prefix(r#""event":"#)?.strip_suffix('}')?;
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
        self.at.parse().map_err(|_| LineError::Time)
    }

    /// The event, typed.
    pub(crate) fn typed(&self) -> Result<Recorded, LineError> {
        self.recorded(
            Event::parse(self.event)
                .map_err(|error| LineError::Json("event can't be read", error))?,
        )
    }

    /// The event, its bytes untouched.
    pub(crate) fn raw(&self) -> Result<Recorded, LineError> {
        let event = Json::parse(self.event)
            .and_then(CustomEvent::from_json)
            .map_err(|error| LineError::Json("event can't be read", error))?;
        self.recorded(event.into())
    }

    fn recorded(&self, event: Event) -> Result<Recorded, LineError> {
        let meta = if self.meta.is_empty() {
            Meta::default()
        } else {
            Meta::parse(self.meta).map_err(|error| LineError::Json("meta can't be read", error))?
        };
        Ok(Recorded {
            ordinal: self.ordinal,
            at: self.at()?,
            meta,
            event,
        })
    }
}

/// A number in its one spelling.
fn number(digits: &[u8]) -> Option<u64> {
    if !digits.first()?.is_ascii_digit() {
        return None;
    }
    std::str::from_utf8(digits).ok()?.parse().ok()
}

#[cfg(test)]
mod tests;
