//! Times on the wire, quickly: every audit record has one.

use chrono::{DateTime, Datelike, Timelike, Utc};
use serde::{Serialize, Serializer};

/// Bytes of a time in RFC 3339, at most: `2026-01-02T03:04:05.678901234Z`.
pub(crate) const LONGEST: usize = 30;

/// As chrono's own, to the byte, without the machinery of formatting: that took more time than all the
/// rest of a record.
pub(crate) fn serialize<S: Serializer>(
    at: &DateTime<Utc>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    let mut text = [0; LONGEST];
    match write(at, &mut text).and_then(|len| std::str::from_utf8(&text[..len]).ok()) {
        Some(text) => serializer.serialize_str(text),
        None => at.serialize(serializer),
    }
}

/// Writes the time and says how many bytes it took; `None` for what hardly ever is: years of other
/// than four digits, and leap seconds.
pub(crate) fn write(at: &DateTime<Utc>, text: &mut [u8; LONGEST]) -> Option<usize> {
    let at = at.naive_utc();
    let year = u32::try_from(at.year()).ok().filter(|year| *year <= 9999)?;
    let nanos = Some(at.nanosecond()).filter(|nanos| *nanos < 1_000_000_000)?;
    *text = *b"0000-00-00T00:00:00.000000000Z";
    digits(year, &mut text[..4]);
    digits(at.month(), &mut text[5..7]);
    digits(at.day(), &mut text[8..10]);
    digits(at.hour(), &mut text[11..13]);
    digits(at.minute(), &mut text[14..16]);
    digits(at.second(), &mut text[17..19]);
    digits(nanos, &mut text[20..29]);
    let end = match nanos {
        0 => 19,
        n if n.is_multiple_of(1_000_000) => 23,
        n if n.is_multiple_of(1_000) => 26,
        _ => 29,
    };
    text[end] = b'Z';
    Some(end + 1)
}

fn digits(mut number: u32, text: &mut [u8]) {
    for digit in text.iter_mut().rev() {
        *digit = b'0' + (number % 10) as u8;
        number /= 10;
    }
}

#[cfg(test)]
mod tests;
