//! Has an append landed?

use bus_core::{Event, ThreadKey};

use crate::{Entry, Recorded, Result, SessionLog, to_micros};

pub(super) struct Found {
    pub(super) landed: bool,
    /// The thread's last ordinal.
    pub(super) last: u64,
}

/// Looks whether `entries` stand right after `last`, where alone an append that expected `last`
/// can have put them.
///
/// What was archived or erased since can't be compared and counts as equal: it is far more likely
/// ours than that of a second writer who wrote as much in the meantime.
pub(super) async fn landed(
    log: &dyn SessionLog,
    key: &ThreadKey,
    last: u64,
    entries: &[Entry],
) -> Result<Found> {
    let bounds = log.bounds(key).await?;
    let end = last + entries.len() as u64;
    let found = |landed| Found {
        landed,
        last: bounds.last,
    };
    if bounds.last < end {
        // A batch lands whole or not at all.
        return Ok(found(false));
    }
    let mut cursor = last;
    while cursor < end {
        let limit = usize::try_from(end - cursor).unwrap_or(usize::MAX);
        let page = log.read(key, cursor, limit).await?;
        let before = cursor;
        for recorded in page.events {
            if recorded.ordinal > end {
                return Ok(found(true));
            }
            let place = recorded.ordinal.checked_sub(last + 1);
            let entry = place.and_then(|i| entries.get(usize::try_from(i).ok()?));
            if !entry.is_some_and(|entry| is_same(entry, &recorded)) {
                return Ok(found(false));
            }
            cursor = recorded.ordinal;
        }
        if cursor == before {
            break;
        }
    }
    Ok(found(true))
}

fn is_same(entry: &Entry, recorded: &Recorded) -> bool {
    to_micros(entry.at) == recorded.at
        && entry.meta == recorded.meta
        && (entry.event == recorded.event || is_same_text(&entry.event, &recorded.event))
}

/// What is written as a custom event of a known type is read back typed.
fn is_same_text(written: &Event, read: &Event) -> bool {
    Event::parse(written.to_json().as_str()).is_ok_and(|written| written == *read)
}
