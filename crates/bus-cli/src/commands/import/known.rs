//! What a log has of a thread already.

use std::collections::{HashMap, VecDeque};

use bus_import::fingerprint;
use bus_log::{Bounds, Recorded, SessionLog, ThreadKey};

use super::super::pages::Pages;
use crate::output::json::typed;

/// Tells which of a file's events a thread has.
///
/// A file is nearly always what the thread was made from, or has grown since: the two are walked in
/// step, with one page in memory. Where they part, as with a file that holds another piece of the
/// session, or a thread that holds events of other origin, what is left of the thread is taken as
/// a set.
pub(super) struct Known {
    /// Archived events, which can't be looked at: the file's first so many are taken for them.
    hidden: u64,
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
                    return Ok(true);
                }
                Some(_) => self.part(log, key).await?,
            }
        }
        let left = self.set.as_mut().and_then(|set| set.get_mut(&event));
        Ok(match left {
            Some(left) if *left > 0 => {
                *left -= 1;
                true
            }
            _ => false,
        })
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

fn fingerprint_of(raw: &Recorded) -> anyhow::Result<u64> {
    Ok(fingerprint(&raw.at, &raw.meta, &typed(&raw.event)?))
}
