//! What can't be written any more: who waits for it is told.

use std::io;
use std::sync::Arc;

use super::super::config::BATCH_ENTRIES;
use super::super::slot::Writer;
use super::super::stats::Face;
use super::{Commit, NotDurable, Part, tell};
use crate::LogError;

/// What somebody is told whose event was not even pushed, as there is no writer to be had.
pub(in super::super) fn no_writer(error: &io::Error) -> io::Error {
    let reason = "its writer could not be started";
    let message = "no thread to write with";
    let error = LogError::unavailable(message).with_source(io::Error::from(error.kind()));
    NotDurable::for_certain(io::ErrorKind::Other, reason, Some(Arc::new(error)))
}

impl Commit {
    /// Gives up all that is left, as the thread has to end.
    pub(super) fn abandon(&mut self) -> bool {
        let mut in_doubt = self.doubt.take().unwrap_or(0);
        let mut records = 0;
        let mut left = self.work.take(self.work.len());
        loop {
            for (i, part) in left.into_iter().enumerate() {
                let Part::Record(mut tag) = part else {
                    continue;
                };
                records += u64::from(tag.face() == Face::Audit);
                let Some(done) = tag.done.take() else {
                    continue;
                };
                let kind = io::ErrorKind::TimedOut;
                let reason = "the writer ended before the log took it";
                let error = self.trouble.clone();
                tell(
                    done,
                    Err(if i < in_doubt {
                        NotDurable::perhaps(kind, reason, error)
                    } else {
                        NotDurable::for_certain(kind, reason, error)
                    }),
                );
            }
            self.slot.refill(&mut self.backlog);
            self.work.fill(&mut self.backlog, BATCH_ENTRIES, usize::MAX);
            left = self.work.take(self.work.len());
            // Nothing of this was ever tried.
            in_doubt = 0;
            if left.is_empty() {
                break;
            }
        }
        self.stuck = None;
        if records > 0 {
            tracing::warn!(key = %self.slot.key, records, "audit records lost: the log stays down");
        }
        !self.slot.rest(Writer::Absent, self.last)
    }
}
