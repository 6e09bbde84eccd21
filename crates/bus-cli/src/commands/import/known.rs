//! What a log has of a thread already.

use std::collections::{HashMap, VecDeque};

use bus_import::fingerprint;
use bus_log::{Bounds, Recorded, SessionLog, ThreadKey};

use crate::output::json::typed;
use crate::pages::Pages;

/// Tells which of a file's events a thread has.
///
/// A file is nearly always what the thread was made from, or has grown since: the two are walked in
/// step, with one page in memory. Where they part, as with a file that holds another piece of the
/// session, or a thread that holds events of other origin, what is left of the thread is taken as
/// a set.
///
/// Archived events can't be looked at. The file's events are taken for them until those come with which
/// the readable part of the thread begins; or, where there are none, until there are as many as are
/// archived. How many of those were of other origin nobody can tell then: see
/// [`is_guess`](Self::is_guess).
pub(super) struct Known {
    /// How many more of the file's events can be archived ones.
    hidden: u64,
    /// True if some events are archived, and none that is readable was met.
    unanchored: bool,
    /// The first imported events that are readable, and the file's last ones; read when first needed.
    anchor: Option<Anchor>,
    /// The last ordinal that was looked at or is still to come.
    last: u64,
    cursor: u64,
    page: VecDeque<u64>,
    set: Option<HashMap<u64, u64>>,
}

impl Known {
    /// What the thread has now.
    pub(super) fn new(bounds: &Bounds) -> Self {
        Self {
            hidden: bounds.watermark,
            unanchored: bounds.watermark > 0,
            anchor: None,
            last: bounds.last,
            cursor: bounds.watermark,
            page: VecDeque::new(),
            set: None,
        }
    }

    /// True if the thread has the event of this fingerprint; each of its events counts once.
    pub(super) async fn has(
        &mut self,
        log: &dyn SessionLog,
        key: &ThreadKey,
        event: u64,
    ) -> anyhow::Result<bool> {
        if self.hidden > 0 {
            self.hidden -= 1;
            self.look_for_anchor(log, key, event).await?;
            return Ok(true);
        }
        if self.set.is_none() {
            if self.page.is_empty() {
                self.page = self.read(log, key).await?;
            }
            match self.page.front() {
                None => return Ok(false),
                Some(next) if *next == event => {
                    self.page.pop_front();
                    self.unanchored = false;
                    return Ok(true);
                }
                Some(_) => self.part(log, key).await?,
            }
        }
        let left = self.set.as_mut().and_then(|set| set.get_mut(&event));
        Ok(match left {
            Some(left) if *left > 0 => {
                *left -= 1;
                self.unanchored = false;
                true
            }
            _ => false,
        })
    }

    /// True if it is a guess which of the file's events are archived, and one that can be wrong: if the
    /// thread held other events too, as many new ones were taken for known. `new` is how many were not.
    pub(super) const fn is_guess(&self, new: u64) -> bool {
        self.unanchored && (self.hidden > 0 || new > 0)
    }

    /// Ends the search for archived events where the file has come to the readable ones.
    async fn look_for_anchor(
        &mut self,
        log: &dyn SessionLog,
        key: &ThreadKey,
        event: u64,
    ) -> anyhow::Result<()> {
        if self.anchor.is_none() {
            self.anchor = Some(Anchor::read(log, key, self.cursor, self.last).await?);
        }
        let Some(anchor) = &mut self.anchor else {
            return Ok(());
        };
        if !anchor.is_met_by(event) {
            return Ok(());
        }
        let met = std::mem::take(&mut anchor.first);
        self.hidden = 0;
        self.unanchored = false;
        self.part(log, key).await?;
        if let Some(set) = &mut self.set {
            for event in met {
                if let Some(left) = set.get_mut(&event) {
                    *left = left.saturating_sub(1);
                }
            }
        }
        Ok(())
    }

    /// Takes in what somebody else has appended since, up to `last`.
    pub(super) async fn grow(
        &mut self,
        log: &dyn SessionLog,
        key: &ThreadKey,
        last: u64,
    ) -> anyhow::Result<()> {
        self.last = last;
        self.part(log, key).await
    }

    /// The ordinals up to `last` are ours: there is no need to look at them.
    pub(super) fn appended(&mut self, last: u64) {
        self.cursor = last;
        self.last = last;
    }

    /// Puts all that is still to come into the set.
    async fn part(&mut self, log: &dyn SessionLog, key: &ThreadKey) -> anyhow::Result<()> {
        let mut set = self.set.take().unwrap_or_default();
        let mut page = std::mem::take(&mut self.page);
        if page.is_empty() {
            page = self.read(log, key).await?;
        }
        while !page.is_empty() {
            for event in page {
                *set.entry(event).or_default() += 1;
            }
            page = self.read(log, key).await?;
        }
        self.set = Some(set);
        Ok(())
    }

    /// The fingerprints of the next page; empty at the end.
    async fn read(
        &mut self,
        log: &dyn SessionLog,
        key: &ThreadKey,
    ) -> anyhow::Result<VecDeque<u64>> {
        let page = Pages::new(log, key, self.cursor, self.last).next().await?;
        let page = page.unwrap_or_default();
        self.cursor = page.last().map_or(self.last, |event| event.ordinal);
        page.iter().map(fingerprint_of).collect()
    }
}

/// Events that tell an import where the readable part of a thread begins in the file.
struct Anchor {
    first: VecDeque<u64>,
    recent: VecDeque<u64>,
}

impl Anchor {
    /// Events in a row: what is said twice in a file is seldom so often.
    const EVENTS: usize = 16;

    async fn read(
        log: &dyn SessionLog,
        key: &ThreadKey,
        cursor: u64,
        last: u64,
    ) -> anyhow::Result<Self> {
        let page = Pages::new(log, key, cursor, last).next().await?;
        let page = page.unwrap_or_default();
        let imported = page.iter().filter(|event| event.meta.source().is_some());
        let first = imported.take(Self::EVENTS).map(fingerprint_of);
        Ok(Self {
            first: first.collect::<anyhow::Result<_>>()?,
            recent: VecDeque::new(),
        })
    }

    /// True if the last of the file's events are those of the anchor.
    fn is_met_by(&mut self, event: u64) -> bool {
        if self.recent.len() == self.first.len() {
            self.recent.pop_front();
        }
        self.recent.push_back(event);
        !self.first.is_empty() && self.recent == self.first
    }
}

fn fingerprint_of(raw: &Recorded) -> anyhow::Result<u64> {
    Ok(fingerprint(&raw.at, &raw.meta, &typed(&raw.event)?))
}
