//! Many threads of a log checked at once, and told in their order.

use std::collections::VecDeque;
use std::sync::Arc;

use bus_log::{SessionLog, ThreadSummary};
use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

use super::check::{Range, check};

/// Events of a part. A thread of more than twice as many is checked in parts, so that one huge thread
/// keeps all workers busy.
const PART: u64 = 1 << 17;

/// Parts for each worker that are on their way or done, and not told yet.
const AHEAD: usize = 8;

/// A thread that was checked.
pub(super) struct Checked {
    pub(super) summary: ThreadSummary,
    /// How many were good, up to the first damage.
    pub(super) events: u64,
    pub(super) outcome: anyhow::Result<()>,
}

/// The parts that are being checked, in the order of the threads.
pub(super) struct Parts {
    log: Arc<dyn SessionLog>,
    workers: usize,
    room: Arc<Semaphore>,
    going: VecDeque<Thread>,
    parts: usize,
}

struct Thread {
    summary: ThreadSummary,
    parts: VecDeque<JoinHandle<Part>>,
}

struct Part {
    events: u64,
    outcome: anyhow::Result<()>,
}

impl Parts {
    pub(super) fn new(log: &Arc<dyn SessionLog>, workers: usize) -> Self {
        Self {
            log: Arc::clone(log),
            workers,
            room: Arc::new(Semaphore::new(workers)),
            going: VecDeque::new(),
            parts: 0,
        }
    }

    /// Has a thread checked, once there is room. The threads that must be told first.
    pub(super) async fn check(&mut self, summary: ThreadSummary) -> anyhow::Result<Vec<Checked>> {
        let mut told = Vec::new();
        let mut thread = Thread {
            summary,
            parts: VecDeque::new(),
        };
        for range in ranges(&thread.summary) {
            while self.parts >= self.workers * AHEAD
                && let Some(checked) = self.next().await?
            {
                told.push(checked);
            }
            let part = self.spawn(&thread.summary, range).await?;
            thread.parts.push_back(part);
            self.parts += 1;
        }
        self.going.push_back(thread);
        Ok(told)
    }

    /// The next thread in order, once all of it was checked; `None` if there is none.
    pub(super) async fn next(&mut self) -> anyhow::Result<Option<Checked>> {
        let Some(thread) = self.going.pop_front() else {
            return Ok(None);
        };
        let mut checked = Checked {
            summary: thread.summary,
            events: 0,
            outcome: Ok(()),
        };
        for part in thread.parts {
            let part = part.await?;
            self.parts -= 1;
            // What lies behind damage does not count.
            if checked.outcome.is_ok() {
                checked.events += part.events;
                checked.outcome = part.outcome;
            }
        }
        Ok(Some(checked))
    }

    /// On the pool of blocking threads: a log may read on the thread that polls it.
    async fn spawn(
        &self,
        summary: &ThreadSummary,
        range: Option<Range>,
    ) -> anyhow::Result<JoinHandle<Part>> {
        let permit = Arc::clone(&self.room).acquire_owned().await?;
        let (log, key, runtime) = (
            Arc::clone(&self.log),
            summary.key.clone(),
            Handle::current(),
        );
        Ok(tokio::task::spawn_blocking(move || {
            let mut events = 0;
            let checking = check(log.as_ref(), &key, range, &mut events);
            let outcome = runtime.block_on(checking);
            drop(permit);
            Part { events, outcome }
        }))
    }
}

/// The parts of a thread; of a short one, and of one whose bounds are not known, all of it, as far as it
/// reaches then.
fn ranges(summary: &ThreadSummary) -> Vec<Option<Range>> {
    let bounds = summary.bounds;
    if bounds.readable() <= 2 * PART {
        return vec![None];
    }
    let mut ranges = Vec::new();
    let mut after = bounds.watermark;
    while after < bounds.last {
        let until = bounds.last.min(after.saturating_add(PART));
        ranges.push(Some(Range { after, until }));
        after = until;
    }
    ranges
}

#[cfg(test)]
mod tests;
