//! One reader of the ring.

use std::collections::VecDeque;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::sync::broadcast::error::{RecvError, TryRecvError};
use tokio::task::coop;

use super::cursor::Cursor;
use crate::Envelope;

/// So many are read under one lock where fewer are asked for, if the ring holds as many.
const READ_AHEAD: usize = 32;

/// A reader that takes many envelopes from the ring at a time, and hands out as many as are asked
/// for.
pub(crate) struct Receiver {
    cursor: Cursor,
    /// What was read and not yet handed out: older than all that the cursor reads or misses next.
    ahead: VecDeque<Arc<Envelope>>,
}

impl Receiver {
    pub(super) const fn new(cursor: Cursor) -> Self {
        let ahead = VecDeque::new();
        Self { cursor, ahead }
    }

    /// The same for one that runs where few others do, as on a log's own runtime: a rouser spawned there would wake
    /// nobody else.
    pub(crate) fn away(mut self) -> Self {
        self.cursor.stay_away();
        self
    }

    pub(crate) fn try_recv(&mut self) -> Result<Arc<Envelope>, TryRecvError> {
        if let Some(envelope) = self.ahead.pop_front() {
            return Ok(envelope);
        }
        let limit = READ_AHEAD.min(self.cursor.capacity());
        let mut first = None;
        self.cursor.try_read(limit, |envelope| {
            if first.is_none() {
                first = Some(envelope);
            } else {
                self.ahead.push_back(envelope);
            }
        })?;
        first.ok_or(TryRecvError::Empty)
    }

    /// Waits for one, then gives up to `limit` of those that are there to `take`, under a lock.
    pub(crate) fn poll_recv(
        &mut self,
        cx: &mut Context<'_>,
        limit: usize,
        mut take: impl FnMut(Arc<Envelope>),
    ) -> Poll<Result<(), RecvError>> {
        if self.ahead.is_empty() {
            // A busy bus must not keep a task from ever yielding. What was read ahead is not counted:
            // a task that yields is soon another thread's, and takes all it touches along.
            let budget = ready!(coop::poll_proceed(cx));
            let enough = READ_AHEAD.min(self.cursor.capacity()).max(limit);
            let mut given = 0;
            let read = self.cursor.poll_read(cx, enough, |envelope| {
                if given < limit {
                    given += 1;
                    take(envelope);
                } else {
                    self.ahead.push_back(envelope);
                }
            });
            let result = ready!(read);
            budget.made_progress();
            return Poll::Ready(result);
        }
        let some = limit.min(self.ahead.len());
        self.ahead.drain(..some).for_each(take);
        Poll::Ready(Ok(()))
    }
}
