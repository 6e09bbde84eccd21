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
///
/// Either log may go on meanwhile, and the other one follow it: what one had when the comparison began, the
/// other must have when it ends. So a log and its copy are level also while they move.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Comparison {
    /// How far it reached in the first log, at the beginning.
    pub source: Bounds,
    /// How far it reached in the second, at the beginning.
    pub target: Bounds,
    /// The last ordinal that both have, at the end.
    pub until: u64,
    /// Events that were compared, and are the same.
    pub same: u64,
    /// The first ordinal at which they are not, or that one of them can't read though it has neither archived nor
    /// erased it.
    pub differs_at: Option<u64>,
    /// Their last ordinals at the end.
    ends: (u64, u64),
}

impl Comparison {
    /// True if no event differs, and each has all that the other had at the beginning. What one of them has
    /// archived or erased can't be compared, and does not count.
    #[must_use]
    pub const fn is_level(&self) -> bool {
        self.differs_at.is_none()
            && self.ends.1 >= self.source.last
            && self.ends.0 >= self.target.last
    }

    /// True if one of them went on while they were compared.
    #[must_use]
    pub const fn has_moved(&self) -> bool {
        self.ends.0 != self.source.last || self.ends.1 != self.target.last
    }

    /// Ordinals at the end that only the first log has.
    #[must_use]
    pub fn only_source(&self) -> Option<RangeInclusive<u64>> {
        past(self.ends.1, self.source.last)
    }

    /// Ordinals at the end that only the second log has.
    #[must_use]
    pub fn only_target(&self) -> Option<RangeInclusive<u64>> {
        past(self.ends.0, self.target.last)
    }
}

fn past(one: u64, other: u64) -> Option<RangeInclusive<u64>> {
    (other > one).then(|| one + 1..=other)
}

/// Compares one thread in two logs: every ordinal that both can read, byte for byte, up to the last that
/// both have. Where they are not level at first, each is looked at once more.
///
/// # Errors
///
/// [`Source`](ReplicateError::Source) if the first log fails, [`Target`](ReplicateError::Target) if the
/// second does.
///
/// ```
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// use bus_log::{InMemorySessionLog, SessionEvent, SessionLog, ThreadKey, TenantId, compare};
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
    let logs = (source, target);
    let (here, there) = look(logs, key).await?;
    let after = here.watermark.max(there.watermark);
    let mut compared = Comparison {
        source: here,
        target: there,
        until: here.last.min(there.last),
        same: 0,
        differs_at: None,
        ends: (here.last, there.last),
    };
    (compared.same, compared.differs_at) = walk(logs, key, after, compared.until).await?;
    if compared.is_level() || compared.differs_at.is_some() {
        return Ok(compared);
    }
    let (here, there) = look(logs, key).await?;
    let until = here.last.min(there.last);
    let after = compared.until.max(here.watermark).max(there.watermark);
    let (same, differs_at) = walk(logs, key, after, until).await?;
    compared.ends = (here.last, there.last);
    compared.until = until;
    compared.same += same;
    compared.differs_at = differs_at;
    Ok(compared)
}

async fn look(
    (source, target): (&dyn SessionLog, &dyn SessionLog),
    key: &ThreadKey,
) -> Result<(Bounds, Bounds), ReplicateError> {
    let here = caught(source.bounds(key));
    let there = caught(target.bounds(key));
    let (here, there) = join(here, there).await;
    Ok((of_source(key, here)?, of_target(key, there)?))
}

/// How many events after `after` are the same, and the first ordinal up to `until` that is not.
async fn walk(
    logs: (&dyn SessionLog, &dyn SessionLog),
    key: &ThreadKey,
    after: u64,
    until: u64,
) -> Result<(u64, Option<u64>), ReplicateError> {
    let (mut cursor, mut same) = (after, 0);
    loop {
        let page = compare_page(logs, key, cursor, until).await?;
        same += page.same;
        if page.is_over || page.differs_at.is_some() {
            return Ok((same, page.differs_at));
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
    let next = cursor + 1;
    let begins = (first_of(&here), first_of(&there));
    if begins != (Some(next), Some(next)) {
        // Hidden meanwhile, or lost: each side's bounds, asked after its page, say which.
        for (log, first, is_source) in [(source, begins.0, true), (target, begins.1, false)] {
            if first == Some(next) {
                continue;
            }
            let bounds = caught(log.bounds(key)).await;
            let watermark = if is_source {
                of_source(key, bounds)?.watermark
            } else {
                of_target(key, bounds)?.watermark
            };
            let begins = first.map_or(until, |first| until.min(first - 1));
            let is_before = first.is_some_and(|first| first < next);
            if watermark < begins || is_before {
                compared.differs_at = Some(cursor.max(watermark) + 1);
                return Ok(compared);
            }
            compared.cursor = compared.cursor.max(begins);
        }
        compared.is_over = compared.cursor >= until;
        return Ok(compared);
    }
    for (here, there) in here.events.iter().zip(&there.events) {
        let next = compared.cursor + 1;
        if next > until || here.ordinal != next || there.ordinal != next {
            // A page with a hole: the next one begins there.
            break;
        }
        if !is_same(here, there) {
            compared.differs_at = Some(next);
            return Ok(compared);
        }
        compared.cursor = next;
        compared.same += 1;
    }
    compared.is_over = compared.cursor >= until;
    Ok(compared)
}

fn first_of(page: &Page) -> Option<u64> {
    page.events.first().map(|event| event.ordinal)
}

/// How the last event that both have compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Last {
    Same,
    /// It is another one, or one of them does not have what its bounds say it has.
    Differs,
    /// One of them has hidden it.
    Hidden,
}

/// Compares the last event that both have, where these were their bounds.
pub(super) async fn compare_last(
    (source, target): (&dyn SessionLog, &dyn SessionLog),
    key: &ThreadKey,
    (here, there): (Bounds, Bounds),
) -> Result<Last, ReplicateError> {
    let last = there.last;
    if last <= here.watermark || last <= there.watermark {
        return Ok(Last::Hidden);
    }
    let at = |page: Page| page.events.into_iter().find(|event| event.ordinal == last);
    let there = caught(target.read_raw(key, last - 1, 1)).await;
    let there = at(of_target(key, there)?);
    let here = caught(source.read_raw(key, last - 1, 1)).await;
    let here = at(of_source(key, here)?);
    if let (Some(here), Some(there)) = (&here, &there) {
        return Ok(if is_same(here, there) {
            Last::Same
        } else {
            Last::Differs
        });
    }
    let mut hidden = false;
    if there.is_none() {
        let bounds = of_target(key, caught(target.bounds(key)).await)?;
        hidden |= bounds.watermark >= last;
    }
    if here.is_none() {
        let bounds = of_source(key, caught(source.bounds(key)).await)?;
        hidden |= bounds.watermark >= last;
    }
    Ok(if hidden { Last::Hidden } else { Last::Differs })
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
