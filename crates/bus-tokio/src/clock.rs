//! The time of day, at half the price.

use std::cell::Cell;
use std::time::{SystemTime, UNIX_EPOCH};

use bus_core::{DateTime, Utc};
use chrono::{NaiveDate, NaiveTime};

const DAY: u64 = 24 * 60 * 60;

thread_local! {
    /// A day since 1970, and its date.
    static TODAY: Cell<(u64, NaiveDate)> = const { Cell::new((u64::MAX, NaiveDate::MAX)) };
}

/// What [`Utc::now`] says. That one works out the date anew each time, which takes as long as the
/// reading of the clock.
pub(crate) fn now() -> DateTime<Utc> {
    at(SystemTime::now()).unwrap_or_else(Utc::now)
}

/// `None` for a time before 1970, or one that has no date.
fn at(time: SystemTime) -> Option<DateTime<Utc>> {
    let since = time.duration_since(UNIX_EPOCH).ok()?;
    let (seconds, nanos) = (since.as_secs(), since.subsec_nanos());
    let day = seconds / DAY;
    // It is never dropped, and so never gone.
    let (known, mut date) = TODAY.get();
    if known != day {
        date = date_of(seconds)?;
        TODAY.set((day, date));
    }
    let second = u32::try_from(seconds % DAY).ok()?;
    let time = NaiveTime::from_num_seconds_from_midnight_opt(second, nanos)?;
    Some(date.and_time(time).and_utc())
}

#[cold]
fn date_of(seconds: u64) -> Option<NaiveDate> {
    let time = DateTime::<Utc>::from_timestamp(i64::try_from(seconds).ok()?, 0)?;
    Some(time.date_naive())
}

#[cfg(test)]
mod tests;
