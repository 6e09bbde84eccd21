//! Whether two logs hold the same.

use std::ops::RangeInclusive;

use bus_core::ThreadKey;
use futures_util::future::join;

use super::ReplicateError;
use crate::panic::caught;
use crate::{Bounds, Page, Recorded, SessionLog};

/// Events of one page.
const PAGE: usize = 512;

/// How one thread stands in two logs.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Comparison {
    /// How far it reached in the first log.
    pub source: Bounds,
    /// How far it reached in the second.
    pub target: Bounds,
    /// Events that were compared, and are the same.
    pub same: u64,
    /// The first ordinal at which they are not.
    pub differs_at: Option<u64>,
}

impl Comparison {
    /// True if no event differs, and both have the same last ordinal. What one of them has archived or
    /// erased can't be compared, and does not count.
    #[must_use]
    pub const fn is_level(&self) -> bool {
        self.differs_at.is_none() && self.source.last == self.target.last
    }

    /// Ordinals at the end that only the first log has.
    #[must_use]
    pub fn only_source(&self) -> Option<RangeInclusive<u64>> {
        past(self.target.last, self.source.last)
    }

    /// Ordinals at the end that only the second log has.
    #[must_use]
    pub fn only_target(&self) -> Option<RangeInclusive<u64>> {
        past(self.source.last, self.target.last)
    }
}

fn past(one: u64, other: u64) -> Option<RangeInclusive<u64>> {
    (other > one).then(|| one + 1..=other)
}

/// Compares one thread in two logs: every ordinal that both can read, byte for byte, up to the last
/// that both had when it began.
///
/// # Errors
///
/// [`Source`](ReplicateError::Source) if the first log fails, [`Target`](ReplicateError::Target) if the
/// second does.
///
/// ```
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// use bus_log::{InMemorySessionLog, SessionEvent, SessionLog, TenantId, ThreadKey, compare};
///
/// let (a, b) = (InMemorySessionLog::new(), InMemorySessionLog::new());
/// let key = ThreadKey::new(TenantId::new("acme"), "session-7");
/// a.append(&key, &[SessionEvent::Thinking.into()]).await?;
/// b.append(&key, &[SessionEvent::Thinking.into()]).await?;
/// // The same event, at another time.
/// assert_eq!(compare(&a, &b, &key).await?.differs_at, Some(1));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
pub async fn compare(
    source: &dyn SessionLog,
    target: &dyn SessionLog,
    key: &ThreadKey,
) -> Result<Comparison, ReplicateError> {
    let here = of_source(key, caught(source.bounds(key)).await)?;
    let there = of_target(key, caught(target.bounds(key)).await)?;
    let after = here.watermark.max(there.watermark);
    let until = here.last.min(there.last);
    let (same, differs_at) = first_difference((source, target), key, after, until).await?;
    Ok(Comparison {
        source: here,
        target: there,
        same,
        differs_at,
    })
}

/// How many events after `after` are the same, and the first ordinal up to `until` that is not.
pub(super) async fn first_difference(
    (source, target): (&dyn SessionLog, &dyn SessionLog),
    key: &ThreadKey,
    after: u64,
    until: u64,
) -> Result<(u64, Option<u64>), ReplicateError> {
    let (mut cursor, mut same) = (after, 0);
    while cursor < until {
        let here = caught(source.read_raw(key, cursor, PAGE));
        let there = caught(target.read_raw(key, cursor, PAGE));
        let (here, there) = join(here, there).await;
        let (here, there) = (of_source(key, here)?, of_target(key, there)?);
        let (Some(first), Some(other)) = (first_of(&here), first_of(&there)) else {
            // Hidden meanwhile.
            break;
        };
        if first != other {
            cursor = first.max(other) - 1;
            continue;
        }
        for (here, there) in here.events.iter().zip(&there.events) {
            if here.ordinal > until {
                break;
            }
            if !is_same(here, there) {
                return Ok((same, Some(here.ordinal)));
            }
            cursor = here.ordinal;
            same += 1;
        }
    }
    Ok((same, None))
}

fn first_of(page: &Page) -> Option<u64> {
    page.events.first().map(|event| event.ordinal)
}

/// Whether two raw events are the same to the byte.
pub(super) fn is_same(one: &Recorded, other: &Recorded) -> bool {
    one.ordinal == other.ordinal
        && one.at == other.at
        && one.meta.as_str() == other.meta.as_str()
        && one.event.to_json().as_str() == other.event.to_json().as_str()
}

fn of_source<T>(
    key: &ThreadKey,
    said: crate::Result<crate::Result<T>>,
) -> Result<T, ReplicateError> {
    said.unwrap_or_else(Err)
        .map_err(|error| ReplicateError::Source {
            key: key.clone(),
            error,
        })
}

fn of_target<T>(
    key: &ThreadKey,
    said: crate::Result<crate::Result<T>>,
) -> Result<T, ReplicateError> {
    said.unwrap_or_else(Err)
        .map_err(|error| ReplicateError::Target {
            key: key.clone(),
            error,
        })
}
