//! Whether two logs hold the same.

use std::ops::RangeInclusive;

use bus_core::ThreadKey;
use futures_util::future::join;

use super::{ReplicateError, give_way};
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
/// that both had when it began. The second is asked first: where it is sent what the first one has, it is
/// behind at most, however much is written meanwhile.
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
    let there = of_target(key, caught(target.bounds(key)).await)?;
    let here = of_source(key, caught(source.bounds(key)).await)?;
    let mut compared = Comparison {
        source: here,
        target: there,
        same: 0,
        differs_at: None,
    };
    let until = here.last.min(there.last);
    let mut cursor = here.watermark.max(there.watermark);
    loop {
        let page = compare_page((source, target), key, cursor, until).await?;
        compared.same += page.same;
        compared.differs_at = page.differs_at;
        if page.is_over || page.differs_at.is_some() {
            return Ok(compared);
        }
        cursor = page.cursor;
        give_way().await;
    }
}

/// What one page of a comparison found.
pub(super) struct Compared {
    /// Where the next page begins.
    pub(super) cursor: u64,
    /// Events that are the same.
    pub(super) same: u64,
    /// The first ordinal that is not.
    pub(super) differs_at: Option<u64>,
    /// There is no more to compare.
    pub(super) is_over: bool,
}

/// Compares a page of what both have after `cursor` and up to `until`.
pub(super) async fn compare_page(
    (source, target): (&dyn SessionLog, &dyn SessionLog),
    key: &ThreadKey,
    cursor: u64,
    until: u64,
) -> Result<Compared, ReplicateError> {
    let limit = usize::try_from(until.saturating_sub(cursor)).map_or(PAGE, |left| left.min(PAGE));
    let mut compared = Compared {
        cursor,
        same: 0,
        differs_at: None,
        is_over: true,
    };
    if limit == 0 {
        return Ok(compared);
    }
    let here = caught(source.read_raw(key, cursor, limit));
    let there = caught(target.read_raw(key, cursor, limit));
    let (here, there) = join(here, there).await;
    let (here, there) = (of_source(key, here)?, of_target(key, there)?);
    let (Some(first), Some(other)) = (first_of(&here), first_of(&there)) else {
        // Hidden meanwhile.
        return Ok(compared);
    };
    if first != other {
        compared.cursor = first.max(other) - 1;
        compared.is_over = compared.cursor >= until;
        return Ok(compared);
    }
    for (here, there) in here.events.iter().zip(&there.events) {
        if here.ordinal > until {
            break;
        }
        if !is_same(here, there) {
            compared.differs_at = Some(here.ordinal);
            return Ok(compared);
        }
        compared.cursor = here.ordinal;
        compared.same += 1;
    }
    // A page that begins past the end found nothing, however often it is asked for.
    compared.is_over = first > until || compared.cursor >= until;
    Ok(compared)
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
