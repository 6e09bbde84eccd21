//! Rows of the server as the events that they are, and its numbers as ours.

use bus_log::{Page, Recorded, Result};
use bus_remote::{Reading, Stored};
use tokio_postgres::Row;

/// The page that the read function's rows are.
///
/// # Errors
///
/// `Corrupt`, naming the ordinal, if an event is not what was written.
pub(crate) fn page(rows: &[Row], reading: Reading) -> Result<Page> {
    let events: Vec<Recorded> = rows
        .iter()
        .map(|row| stored(row).read(reading))
        .collect::<Result<_>>()?;
    let last = rows.last().map_or(0, |row| ordinal(row.get(4)));
    let more = events.last().is_some_and(|event| event.ordinal < last);
    Ok(Page::new(events, more))
}

fn stored(row: &Row) -> Stored<'_> {
    Stored {
        ordinal: ordinal(row.get(0)),
        at: row.get(1),
        meta: row.get(2),
        event: row.get(3),
    }
}

/// The server counts with signed numbers, up to 2^63 - 1: what is larger can't be there.
pub(crate) fn ordinal(number: i64) -> u64 {
    u64::try_from(number).unwrap_or_default()
}

/// A cursor, a watermark or a limit, which past the server's numbers mean the largest one.
pub(crate) fn clamped(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
