//! A batch as lines of a session file, encoded before its ordinals are known.

use std::io::Write as _;
use std::ops::Range;

use bus_log::{
    DateTime, Event, JsonError, LogError, MAX_EVENT_BYTES, Meta, Result, SessionEvent, Utc,
    to_micros,
};
use crc32c::crc32c;

use super::{PREFIX, finish_sum, prefix_of};
use crate::layout::ThreadId;

/// A batch's lines, complete but for their ordinals and sums.
#[derive(Debug, Default)]
pub(crate) struct Lines {
    bytes: Vec<u8>,
    /// Most batches hold one event: no memory is taken for the others.
    first: Option<Span>,
    others: Vec<Span>,
    /// The second that was written last, and where: the events of a batch often share it.
    second: Option<(i64, Range<usize>)>,
}

#[derive(Debug)]
struct Span {
    start: usize,
    /// Sum of what follows the prefix.
    rest: u32,
}

/// How the JSON text of an event is got.
pub(crate) trait Encode {
    fn write(&self, bytes: &mut Vec<u8>) -> std::result::Result<(), JsonError>;
}

impl Encode for Event {
    fn write(&self, bytes: &mut Vec<u8>) -> std::result::Result<(), JsonError> {
        self.write_json(bytes)
    }
}

impl Encode for SessionEvent {
    fn write(&self, bytes: &mut Vec<u8>) -> std::result::Result<(), JsonError> {
        self.write_json(bytes)
    }
}

impl Lines {
    /// Room for a batch.
    pub(crate) fn with_capacity(events: usize) -> Self {
        Self {
            bytes: Vec::with_capacity(events.min(1024) * 256),
            first: None,
            others: Vec::with_capacity(events.saturating_sub(1)),
            second: None,
        }
    }

    /// Adds the `number`th of `count` events.
    pub(crate) fn push(
        &mut self,
        number: usize,
        count: usize,
        at: DateTime<Utc>,
        meta: &Meta,
        event: &impl Encode,
    ) -> Result<()> {
        let start = self.bytes.len();
        self.bytes.resize(start + PREFIX, b' ');
        self.bytes.extend_from_slice(br#""batch":["#);
        push_number(&mut self.bytes, number);
        self.bytes.push(b',');
        push_number(&mut self.bytes, count);
        self.bytes.extend_from_slice(br#"],"at":""#);
        self.push_time(at);
        self.bytes.extend_from_slice(br#"","#);
        let mut size = 0;
        if !meta.is_empty() {
            size = meta.as_str().len();
            self.bytes.extend_from_slice(br#""meta":"#);
            self.bytes.extend_from_slice(meta.as_str().as_bytes());
            self.bytes.push(b',');
        }
        self.bytes.extend_from_slice(br#""event":"#);
        let before = self.bytes.len();
        event
            .write(&mut self.bytes)
            .map_err(|error| LogError::invalid("event has no json form").with_source(error))?;
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
        let span = Span { start, rest };
        match self.first {
            None => self.first = Some(span),
            Some(_) => self.others.push(span),
        }
        Ok(())
    }

    fn push_time(&mut self, at: DateTime<Utc>) {
        let (seconds, micros) = (at.timestamp(), at.timestamp_subsec_micros());
        if let Some((same, text)) = &self.second
            && *same == seconds
            && micros < 1_000_000
        {
            self.bytes.extend_from_within(text.clone());
            push_micros(&mut self.bytes, micros);
            return;
        }
        let start = self.bytes.len();
        let is_usual = push_time(&mut self.bytes, at);
        self.second = is_usual.then(|| (seconds, start..start + TO_SECONDS));
    }

    /// Numbers the lines from `first` on.
    pub(crate) fn stamp(&mut self, id: &ThreadId, first: u64) {
        let spans = self.first.iter().chain(&self.others);
        for (ordinal, span) in (first..=u64::MAX).zip(spans) {
            let sum = finish_sum(span.rest, ordinal, id);
            let prefix = &mut self.bytes[span.start..span.start + PREFIX];
            prefix.copy_from_slice(&prefix_of(ordinal, sum));
        }
    }

    pub(crate) fn count(&self) -> usize {
        self.others.len() + usize::from(self.first.is_some())
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub(crate) fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }
}

/// Several times as fast as `write!`, which two numbers on each line are worth.
fn push_number(bytes: &mut Vec<u8>, mut number: usize) {
    let mut text = [0; 20];
    let mut start = text.len();
    loop {
        start -= 1;
        text[start] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    bytes.extend_from_slice(&text[start..]);
}

/// Length of a time of the usual form up to its seconds.
const TO_SECONDS: usize = "2024-02-29T23:59:59".len();

/// Writes a time to the microsecond: `2024-02-29T23:59:59.000001Z`. Says whether it has that form.
fn push_time(bytes: &mut Vec<u8>, at: DateTime<Utc>) -> bool {
    let (seconds, micros) = (at.timestamp(), at.timestamp_subsec_micros());
    let days = seconds.div_euclid(86_400);
    if micros >= 1_000_000 || !(YEAR_0..=YEAR_9999).contains(&days) {
        // A leap second, or a year of another width.
        let _ = write!(bytes, "{}", to_micros(at).format("%Y-%m-%dT%H:%M:%S%.6fZ"));
        return false;
    }
    let of_day = seconds.rem_euclid(86_400) as u32;
    let (year, month, day) = civil(days);
    let mut text = *b"0000-00-00T00:00:00";
    digits(&mut text[..4], year);
    digits(&mut text[5..7], month);
    digits(&mut text[8..10], day);
    digits(&mut text[11..13], of_day / 3600);
    digits(&mut text[14..16], of_day / 60 % 60);
    digits(&mut text[17..19], of_day % 60);
    bytes.extend_from_slice(&text);
    push_micros(bytes, micros);
    true
}

fn push_micros(bytes: &mut Vec<u8>, micros: u32) {
    let mut text = *b".000000Z";
    digits(&mut text[1..7], micros);
    bytes.extend_from_slice(&text);
}

fn digits(text: &mut [u8], mut number: u32) {
    for digit in text.iter_mut().rev() {
        *digit = b'0' + (number % 10) as u8;
        number /= 10;
    }
}

/// Days from 1970-01-01 to the first and the last day whose year has four digits.
const YEAR_0: i64 = -719_528;
const YEAR_9999: i64 = 2_932_896;

/// Year, month and day of a day, counted from 1970-01-01: `civil_from_days` of Howard Hinnant,
/// "chrono-Compatible Low-Level Date Algorithms".
fn civil(days: i64) -> (u32, u32, u32) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let of_era = days.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 {
        shifted + 3
    } else {
        shifted - 9
    };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year as u32, month as u32, day as u32)
}

#[cfg(test)]
mod tests;
