//! Hiding in the target what its source has hidden.

use bus_core::{CustomEvent, Json, Meta};
use chrono::DateTime;

use super::{Courier, Hides, Look, PAGE};
use crate::panic::caught;
use crate::{Bounds, Entry, Expect, LogError, LogErrorKind, ReplicateError, Result as LogResult};

/// What takes up an ordinal whose event was hidden before it was copied.
const HIDDEN: &str = r#"{"type":"bus.hidden"}"#;

/// Ordinals that are taken up like this, at most.
const MOST_HIDDEN: u64 = 1 << 24;

impl Courier {
    /// Whether the target has yet to hide something. An unknown thread has nothing to hide, though a
    /// mirror shows that it was there.
    pub(super) fn hides_more(&self, source: Bounds, target: Bounds) -> bool {
        let follows = match self.hides {
            Hides::Nothing => false,
            Hides::Erased => source.erased && target.is_known(),
            Hides::All => target.is_known() || source.readable() == 0,
        };
        // Archived there is not erased there.
        let erases = source.erased && !target.erased && target.is_known();
        let erases = erases && target.last <= source.watermark;
        follows && (target.watermark < source.watermark || erases)
    }

    /// Hides in the target what its source hides: what is there, which must not wait for anything if it was erased, and then
    /// a page of the ordinals that the target never had.
    pub(super) async fn hide(
        &self,
        source: Bounds,
        target: Bounds,
    ) -> Result<Look, ReplicateError> {
        let until = source.watermark;
        let mut last = target.last;
        if last == 0 {
            last = until - 1;
        } else {
            if last < until && !source.erased && self.reads_own(target).await? {
                return Err(self.gap(last, until));
            }
            self.hide_until(source, target.last).await?;
        }
        if until.saturating_sub(last) > MOST_HIDDEN {
            return Err(self.gap(last, until));
        }
        if last < until {
            let count = usize::try_from(until - last).unwrap_or(PAGE).min(PAGE);
            let expect = match target.last {
                0 => Expect::StartAt(until),
                _ => Expect::Last(last),
            };
            let entries = self.of_target(Ok(hidden()))?;
            let entries = vec![entries; count];
            let append = self.to.append_entries(&self.key, expect, &entries);
            match caught(append).await.unwrap_or_else(Err) {
                Ok(new) => last = new,
                // Another copy does it too.
                Err(error) if error.kind() == LogErrorKind::Conflict => return Ok(Look::Again),
                Err(error) => return self.of_target(Ok(Err(error))),
            }
        }
        if last < until {
            return Ok(Look::Hiding);
        }
        if target.last < until {
            self.hide_until(source, until).await?;
        }
        Ok(Look::Again)
    }

    /// Whether the target can read more than what takes up ordinals. What its source has hidden may have been given back
    /// once it was copied, and a target that has lost its end since may have the only copy of the rest.
    async fn reads_own(&self, target: Bounds) -> Result<bool, ReplicateError> {
        let hidden = self.of_target(Ok(hidden()))?.event;
        let mut cursor = target.watermark;
        while cursor < target.last {
            let page = self.to.read_raw(&self.key, cursor, PAGE);
            let page = self.of_target(caught(page).await)?;
            if page.events.iter().any(|event| event.event != hidden) {
                return Ok(true);
            }
            // None: hidden meanwhile.
            let Some(last) = page.last() else { break };
            cursor = last;
        }
        Ok(false)
    }

    /// Erases the target's thread, which has events up to `last`, if all of them were erased in the
    /// source; archives it as far as the source is, if not. An erasure can't say what it expects: of two
    /// at work, one could come too late and take what the other has copied since. So it is looked at
    /// once more, right before.
    async fn hide_until(&self, source: Bounds, last: u64) -> Result<(), ReplicateError> {
        if source.erased && last <= source.watermark {
            let now = self.of_target(caught(self.to.bounds(&self.key)).await)?;
            if now.last > source.watermark {
                let archive = self.to.archive_before(&self.key, source.watermark);
                return self.of_target(caught(archive).await).map(|_| ());
            }
            return self.of_target(caught(self.to.erase(&self.key)).await);
        }
        let archive = self.to.archive_before(&self.key, source.watermark);
        self.of_target(caught(archive).await).map(|_| ())
    }
}

/// The same in every copy, so that copies are equal.
fn hidden() -> LogResult<Entry> {
    let event = Json::parse(HIDDEN)
        .and_then(CustomEvent::from_json)
        .map_err(|error| LogError::internal("no event").with_source(error))?;
    Ok(Entry {
        at: DateTime::UNIX_EPOCH,
        meta: Meta::default(),
        event: event.into(),
    })
}
