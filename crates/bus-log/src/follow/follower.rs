//! One follower: a cursor that waits and reads with others.

use std::collections::VecDeque;
use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bus_core::ThreadKey;
use futures_core::Stream;
use futures_timer::Delay;

use super::watched::{Batch, News, Place, Reading, Watched};
use crate::{LogError, LogErrorKind, Recorded, Result};

/// How long to leave a log alone that has just failed.
const PAUSE: Duration = Duration::from_millis(200);

/// One thread's events after a cursor, as they come: see [`Followers::follow`](super::Followers).
///
/// It is a [`Stream`]; [`next`](Self::next) is the same without another crate. All state is in here
/// and none in the futures, so that dropping one loses nothing.
#[must_use = "a follower does nothing unless it is asked"]
pub struct Follower {
    watched: Arc<Watched>,
    raw: bool,
    patient: bool,
    /// The last ordinal given or passed over.
    cursor: u64,
    /// The log has reached this.
    known: u64,
    /// There may be more to read, however far the log is known to reach.
    more: bool,
    /// The next read must begin after now.
    fresh: bool,
    /// No read with a lower number is shared: it began before this follower, and may have found what
    /// was erased since.
    since: u64,
    page: VecDeque<Arc<Recorded>>,
    /// The page, for others at the same place to find; `None` for one that shares with nobody.
    kept: Option<Option<Reading>>,
    doing: Doing,
}

enum Doing {
    /// Looks at what it knows.
    Deciding,
    Reading(Reading),
    Waiting(News),
    /// The last item was an error that may pass.
    Pausing(Delay),
    /// The last item was an error that will not.
    Over,
}

impl Follower {
    pub(super) fn new(watched: Arc<Watched>, cursor: u64, raw: bool) -> Self {
        Self {
            since: watched.next_read(),
            watched,
            raw,
            patient: false,
            cursor,
            known: 0,
            more: true,
            fresh: false,
            page: VecDeque::new(),
            kept: Some(None),
            doing: Doing::Deciding,
        }
    }

    /// The same, keeping no page for others: its events are its own.
    pub(super) fn alone(mut self) -> Self {
        self.kept = None;
        self
    }

    /// The same, but news may wait for 20 ms before it is read, and what the follower is
    /// [advanced](Self::advance) past meanwhile is not read at all. For one that gets most events by
    /// a quicker way, and goes to the log only for what comes by no other.
    #[doc(hidden)]
    pub fn patient(mut self) -> Self {
        self.patient = true;
        self
    }

    /// The thread that it follows.
    #[must_use]
    pub fn thread_key(&self) -> &ThreadKey {
        self.watched.key()
    }

    /// The last ordinal that it has given or passed over: where to begin again.
    #[must_use]
    pub const fn cursor(&self) -> u64 {
        self.cursor
    }

    /// Goes on after `ordinal`, if it is not past it yet: its caller has what lies before.
    #[doc(hidden)]
    pub const fn advance(&mut self, ordinal: u64) {
        if ordinal > self.cursor {
            self.cursor = ordinal;
        }
    }

    /// Reads up to `last`, which the log must have reached, without waiting to be told of it.
    #[doc(hidden)]
    pub const fn catch_up(&mut self, last: u64) {
        if last > self.known {
            self.known = last;
        }
    }

    /// Looks once whether there is more than it knows of, without waiting to be told.
    #[doc(hidden)]
    pub const fn look_again(&mut self) {
        self.more = true;
        self.fresh = true;
    }

    /// True if it has given all that it knows of, and waits to be told of more.
    #[doc(hidden)]
    #[must_use]
    pub const fn is_waiting(&self) -> bool {
        matches!(self.doing, Doing::Waiting(_)) && !self.is_behind()
    }

    /// True after an error that may pass, until it looks at the log again.
    #[doc(hidden)]
    #[must_use]
    pub const fn is_pausing(&self) -> bool {
        matches!(self.doing, Doing::Pausing(_))
    }

    /// The next event, as the stream's next item.
    ///
    /// Cancel-safe.
    ///
    /// # Errors
    ///
    /// Any that [`SessionLog::read`](crate::SessionLog::read) or [`SessionLog::changed`](crate::SessionLog::changed) gives. After `Unavailable` and `Busy` the next call
    /// goes on where this was, after a short pause; after any other error it gives `None`, for good.
    pub async fn next(&mut self) -> Option<Result<Arc<Recorded>>> {
        poll_fn(|cx| self.poll(cx)).await
    }

    const fn is_behind(&self) -> bool {
        self.more || self.cursor < self.known
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Arc<Recorded>>>> {
        loop {
            while let Some(recorded) = self.page.pop_front() {
                if recorded.ordinal > self.cursor {
                    self.cursor = recorded.ordinal;
                    return Poll::Ready(Some(Ok(recorded)));
                }
            }
            let behind = self.is_behind();
            self.doing = match &mut self.doing {
                Doing::Deciding if behind => Doing::Reading(self.read()),
                Doing::Deciding => Doing::Waiting(self.watched.news(self.cursor, self.patient)),
                Doing::Reading(reading) => match ready!(Pin::new(reading).poll(cx)) {
                    Ok(batch) => self.take(batch),
                    Err(error) => return self.fail(error),
                },
                Doing::Waiting(_) if behind => Doing::Deciding,
                Doing::Waiting(news) => match ready!(Pin::new(news).poll(cx)) {
                    Ok(last) => {
                        self.catch_up(last);
                        Doing::Deciding
                    }
                    Err(error) => return self.fail(error),
                },
                Doing::Pausing(pause) => {
                    ready!(Pin::new(pause).poll(cx));
                    Doing::Deciding
                }
                Doing::Over => return Poll::Ready(None),
            };
        }
    }

    fn read(&mut self) -> Reading {
        let place = Place {
            cursor: self.cursor,
            raw: self.raw,
        };
        if std::mem::take(&mut self.fresh) {
            self.since = self.watched.next_read();
        }
        let reading = self.watched.read(place, self.known, self.since);
        if let Some(kept) = &mut self.kept {
            *kept = Some(reading.clone());
        }
        reading
    }

    fn take(&mut self, batch: Arc<Batch>) -> Doing {
        // Who was told meanwhile to look again must not take an older look for it.
        self.more = batch.more || self.fresh;
        if batch.events.is_empty() {
            // What the log had reached by then is hidden: it can't be read any more.
            self.advance(batch.through);
        }
        if !batch.is_small
            && let Some(kept) = self.kept.as_mut().filter(|_| !batch.more)
        {
            *kept = None;
        }
        self.page = match Arc::try_unwrap(batch) {
            Ok(own) => own.events.into(),
            Err(shared) => shared.events.iter().cloned().collect(),
        };
        Doing::Deciding
    }

    fn fail(&mut self, error: LogError) -> Poll<Option<Result<Arc<Recorded>>>> {
        self.doing = match error.kind() {
            LogErrorKind::Unavailable | LogErrorKind::Busy => Doing::Pausing(Delay::new(PAUSE)),
            _ => Doing::Over,
        };
        Poll::Ready(Some(Err(error)))
    }
}

impl Stream for Follower {
    type Item = Result<Arc<Recorded>>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.poll(cx)
    }
}

impl fmt::Debug for Follower {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Follower")
            .field("key", self.watched.key())
            .field("cursor", &self.cursor)
            .finish_non_exhaustive()
    }
}
