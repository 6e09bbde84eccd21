//! The time on a line.

use bus_log::{DateTime, Utc};

/// Length of a time as it is written for the years 0 to 9999: `2026-01-02T03:04:05.678901Z`.
pub(super) const USUAL: usize = 27;

/// Reads a time. Those of the usual form are read by hand, in a tenth of the time.
pub(super) fn parse(text: &[u8]) -> Option<DateTime<Utc>> {
    usual(text).or_else(|| std::str::from_utf8(text).ok()?.parse().ok())
}

fn usual(text: &[u8]) -> Option<DateTime<Utc>> {
    let text: &[u8; USUAL] = text.try_into().ok()?;
    let marks = [
        text[4], text[7], text[10], text[13], text[16], text[19], text[26],
    ];
    if marks != *b"--T::.Z" {
        return None;
    }
    let year = digits(&text[0..4])?;
    let (month, day) = (digits(&text[5..7])?, digits(&text[8..10])?);
    let (hour, minute) = (digits(&text[11..13])?, digits(&text[14..16])?);
    let (second, micros) = (digits(&text[17..19])?, digits(&text[20..26])?);
    // A 60th second is left to the general way.
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let days = days_since_1970(year, month, day)?;
    let seconds = days * 86_400 + i64::from(hour * 3600 + minute * 60 + second);
    DateTime::from_timestamp(seconds, micros * 1000)
}

fn digits(text: &[u8]) -> Option<u32> {
    text.iter().try_fold(0, |number, byte| {
        let digit = byte.wrapping_sub(b'0');
        (digit <= 9).then(|| number * 10 + u32::from(digit))
    })
}

/// The day's number, by the rule that a year begins in March: then the leap day is its last.
fn days_since_1970(year: u32, month: u32, day: u32) -> Option<i64> {
    let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let length = match month {
        4 | 6 | 9 | 11 => 30,
        2 => 28 + u32::from(leap),
        1..=12 => 31,
        _ => return None,
    };
    if day == 0 || day > length {
        return None;
    }
    let year = i64::from(year) - i64::from(month < 3);
    let month = i64::from((month + 9) % 12);
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let day_of_year = (153 * month + 2) / 5 + i64::from(day) - 1;
    // 719,468 days lie between the first of March of the year 0 and 1970.
    Some(era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + day_of_year - 719_468)
}

#[cfg(test)]
mod tests;
