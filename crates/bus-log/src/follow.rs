//! A thread's events as they come.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bus_core::ThreadKey;
use futures_core::Stream;
use futures_timer::Delay;
use futures_util::stream;

use crate::{LogErrorKind, Recorded, Result, SessionLog};

/// Events of one page.
const PAGE: usize = 1024;

/// How long one wait for news lasts before the log is asked again all the same.
const WAIT: Duration = Duration::from_secs(30);

/// How long to leave a log alone that has just failed.
const PAUSE: Duration = Duration::from_millis(200);

/// Every event after `cursor`, exactly once and in order: those that are there, then those that are
/// appended, also by other processes. It never ends by itself; archived and erased events, which
/// can't be read any more, are passed over.
///
/// An error is an item. After `Unavailable` and `Busy` the stream goes on where it was, after a
/// short pause; after any other error it ends.
///
/// ```
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// use std::sync::Arc;
/// use bus_log::{InMemorySessionLog, SessionEvent, SessionLog, TenantId, ThreadKey, follow};
/// use futures_util::StreamExt;
///
/// let log = Arc::new(InMemorySessionLog::new());
/// let key = ThreadKey::new(TenantId::new("acme"), "session-7");
/// log.append(&key, &[SessionEvent::Thinking.into()]).await?;
///
/// let mut events = std::pin::pin!(follow(log.clone(), key.clone(), 0));
/// assert_eq!(events.next().await.unwrap()?.ordinal, 1);
/// log.append(&key, &[SessionEvent::Done.into()]).await?;
/// assert_eq!(events.next().await.unwrap()?.ordinal, 2);
/// # Ok::<(), bus_log::LogError>(())
/// # }).unwrap();
/// ```
pub fn follow(
    log: Arc<dyn SessionLog>,
    key: ThreadKey,
    cursor: u64,
) -> impl Stream<Item = Result<Recorded>> + Send {
    Follower::new(log, key, cursor, false).into_stream()
}

/// As [`follow`], with every event as [`SessionLog::read_raw`] gives it: for what passes events on
/// without reading them.
pub fn follow_raw(
    log: Arc<dyn SessionLog>,
    key: ThreadKey,
    cursor: u64,
) -> impl Stream<Item = Result<Recorded>> + Send {
    Follower::new(log, key, cursor, true).into_stream()
}

struct Follower {
    log: Arc<dyn SessionLog>,
    key: ThreadKey,
    cursor: u64,
    raw: bool,
    page: VecDeque<Recorded>,
    state: State,
}

enum State {
    Going,
    /// The last item was an error that may pass.
    Failed,
    /// The last item was an error that will not.
    Over,
}

impl Follower {
    const fn new(log: Arc<dyn SessionLog>, key: ThreadKey, cursor: u64, raw: bool) -> Self {
        Self {
            log,
            key,
            cursor,
            raw,
            page: VecDeque::new(),
            state: State::Going,
        }
    }

    fn into_stream(self) -> impl Stream<Item = Result<Recorded>> + Send {
        stream::unfold(self, |mut follower| async {
            let item = follower.next().await?;
            Some((item, follower))
        })
    }

    async fn next(&mut self) -> Option<Result<Recorded>> {
        match self.state {
            State::Going => {}
            State::Failed => Delay::new(PAUSE).await,
            State::Over => return None,
        }
        let item = self.wait().await;
        self.state = match &item {
            Ok(_) => State::Going,
            Err(error)
                if matches!(error.kind(), LogErrorKind::Unavailable | LogErrorKind::Busy) =>
            {
                State::Failed
            }
            Err(_) => State::Over,
        };
        Some(item)
    }

    async fn wait(&mut self) -> Result<Recorded> {
        loop {
            if let Some(recorded) = self.page.pop_front() {
                self.cursor = recorded.ordinal;
                return Ok(recorded);
            }
            self.page = self.read().await?;
            if self.page.is_empty() {
                let last = self
                    .log
                    .changed(&self.key, self.cursor, Instant::now() + WAIT)
                    .await?;
                if last > self.cursor {
                    self.page = self.read().await?;
                    if self.page.is_empty() {
                        // What was appended was hidden at once: it can't be read any more.
                        self.cursor = last;
                    }
                }
            }
        }
    }

    async fn read(&self) -> Result<VecDeque<Recorded>> {
        let page = if self.raw {
            self.log.read_raw(&self.key, self.cursor, PAGE).await?
        } else {
            self.log.read(&self.key, self.cursor, PAGE).await?
        };
        Ok(page.events.into())
    }
}

#[cfg(test)]
mod tests;
