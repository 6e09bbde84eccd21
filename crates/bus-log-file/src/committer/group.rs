//! What is committed together.

use std::sync::Arc;

use bus_log::Result;

use super::plan::Before;
use super::tell::{Item, Reply};
use crate::fs::{self, DiskError};
use crate::header::Header;
use crate::journal::{Journal, Record};
use crate::name::{IdMap, Name};

/// What one journal frame holds.
#[derive(Debug, Default)]
pub(super) struct Group {
    pub(super) parts: Vec<Part>,
    pub(super) by_id: IdMap<usize>,
    /// In the order in which they are to be told.
    pub(super) answers: Vec<Answer>,
    pub(super) batches: u64,
    pub(super) events: u64,
    pub(super) bytes: usize,
}

/// One session's part of a group.
#[derive(Debug)]
pub(super) struct Part {
    pub(super) name: Arc<Name>,
    /// The header, if this begins the session file.
    pub(super) header: Option<Header>,
    /// Ordinal of the first event.
    pub(super) first: u64,
    /// Ordinal of the last.
    pub(super) last: u64,
    pub(super) position: u64,
    pub(super) bytes: Vec<u8>,
    /// What was planned for the session before, if this is taken back.
    pub(super) before: Before,
    /// Why it could not be shown.
    pub(super) failed: Option<DiskError>,
}

/// What is told to one of those who wait.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) reply: Reply,
    /// The part on whose success the answer depends.
    pub(super) part: Option<usize>,
    pub(super) outcome: Result<Option<u64>>,
}

impl Answer {
    /// One that depends on nothing that is committed.
    pub(super) const fn alone(reply: Reply, outcome: Result<Option<u64>>) -> Self {
        Self {
            reply,
            part: None,
            outcome,
        }
    }

    /// What is to be told then.
    pub(super) fn into_item(self) -> Option<Item> {
        self.reply.with(self.outcome)
    }
}

impl Group {
    pub(super) fn is_empty(&self) -> bool {
        self.parts.is_empty()
    }

    /// Writes the group as one frame; it is not synced.
    pub(super) fn write(&self, journal: &mut Journal) -> fs::Result<u64> {
        journal.write(|payload| {
            for part in &self.parts {
                let record = Record {
                    key: &part.name.key,
                    first: part.first,
                    last: part.last,
                    position: part.position,
                    bytes: &part.bytes,
                };
                record.write(payload);
            }
        })
    }

    /// Nothing of it was committed: all that depends on it is told so.
    pub(super) fn fail(&mut self, error: &DiskError) {
        for answer in &mut self.answers {
            if answer.part.take().is_some() {
                answer.outcome = Err(error.again().into());
            }
        }
        self.parts.clear();
    }

    /// What could not be shown is told so.
    pub(super) fn fail_unshown(&mut self) {
        for answer in &mut self.answers {
            let failed = answer
                .part
                .and_then(|part| self.parts[part].failed.as_ref());
            if let (Ok(_), Some(error)) = (&answer.outcome, failed) {
                answer.outcome = Err(error.again().into());
            }
        }
    }
}
