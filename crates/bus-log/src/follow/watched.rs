//! What all followers of one thread share: the waiting and the reading.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bus_core::ThreadKey;
use futures_timer::Delay;
use futures_util::FutureExt;

use super::shared::{Shared, WeakShared};
use crate::log::recorded_bytes;
use crate::panic::caught;
use crate::{LogError, Recorded, Result, SessionLog};

/// Events of one page.
const PAGE: usize = 1024;

/// How long one wait for news lasts before the log is asked again all the same.
const WAIT: Duration = Duration::from_secs(30);

/// How long a patient follower lets news lie: see [`Follower::patient`](super::Follower::patient).
pub(super) const PATIENCE: Duration = Duration::from_millis(20);

/// A wait for the log's last ordinal to rise. Whichever of its clones is polled drives it.
pub(super) type News = Shared<Result<u64>>;

/// A read of one page, driven likewise.
pub(super) type Reading = Shared<Result<Arc<Batch>>>;

/// How long ago a page may have been begun to be read that is given to one more: what was erased or
/// archived since is in it.
const SHARED_FOR: Duration = Duration::from_secs(1);

/// Events and bytes of a page, at most, that is kept for others by one who has read it and waits.
const KEPT_EVENTS: usize = 16;
const KEPT_BYTES: usize = 64 << 10;

/// A page that many may look at.
pub(super) struct Batch {
    pub(super) events: Vec<Arc<Recorded>>,
    pub(super) more: bool,
    /// Whether it may be kept for others.
    pub(super) is_small: bool,
    /// The log had reached this before it was read: where the page is empty, all up to here is
    /// hidden.
    pub(super) through: u64,
}

/// One thread of one log, watched.
pub(super) struct Watched {
    log: Arc<dyn SessionLog>,
    key: ThreadKey,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// The log is known to have reached this.
    last: u64,
    news: Option<Pending<u64>>,
    late_news: Option<Pending<u64>>,
    reads: HashMap<Place, Read>,
    /// How many reads were begun.
    begun: u64,
    /// Size at which reads that nobody looks at any more are swept out.
    sweep_at: usize,
}

type Pending<T> = WeakShared<Result<T>>;

/// Where a read begins, and how it reads.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Place {
    pub(super) cursor: u64,
    pub(super) raw: bool,
}

struct Read {
    through: u64,
    /// How many were begun before it.
    number: u64,
    began: Instant,
    reading: Pending<Arc<Batch>>,
}

impl Watched {
    pub(super) fn new(log: Arc<dyn SessionLog>, key: ThreadKey) -> Self {
        Self {
            log,
            key,
            state: Mutex::default(),
        }
    }

    pub(super) const fn key(&self) -> &ThreadKey {
        &self.key
    }

    /// Nobody else's code runs under this lock. The last hold on a wait or a read drops the log's
    /// future: what is looked at is put aside, in a variable that is dropped after the lock.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn saw(&self, last: u64) {
        let mut state = self.state();
        state.last = state.last.max(last);
    }

    /// News for one at `cursor`: what others know already, or the wait that is under way, or a new
    /// one. `late` tells it with [`PATIENCE`].
    pub(super) fn news(self: &Arc<Self>, cursor: u64, late: bool) -> News {
        let mut spent = Vec::new();
        let mut state = self.state();
        if state.last > cursor {
            // A wait begins where the last is known to be: it would never tell of this.
            let last = Ok(state.last);
            return told(Shared::ready(last), late);
        }
        if let Some(news) = under_way(state.late_news.as_ref().filter(|_| late), &mut spent) {
            return news;
        }
        let soon = under_way(state.news.as_ref(), &mut spent).unwrap_or_else(|| {
            let (watched, after) = (Arc::clone(self), state.last);
            let news = async move { unpanicked(watched.wait(after)).await };
            let news = Shared::new(news.boxed());
            state.news = news.downgrade();
            news
        });
        let news = told(soon, late);
        if late {
            state.late_news = news.downgrade();
        }
        news
    }

    async fn wait(&self, after: u64) -> Result<u64> {
        let deadline = Instant::now() + WAIT;
        let last = self.log.changed(&self.key, after, deadline).await?;
        self.saw(last);
        Ok(last)
    }

    /// The number of the read that is begun next.
    pub(super) fn next_read(&self) -> u64 {
        self.state().begun
    }

    /// A read at `place` of a log that has reached `through`: one that somebody still looks at, if it
    /// was begun as number `since` or later, or a new one.
    pub(super) fn read(self: &Arc<Self>, place: Place, through: u64, since: u64) -> Reading {
        let mut spent = Vec::new();
        let mut state = self.state();
        if let Some(read) = state.reads.get(&place)
            && read.number >= since
            && let Some(reading) = read.reading.upgrade()
        {
            if read.serves(&reading, through) {
                return reading;
            }
            spent.push(reading);
        }
        if state.reads.len() >= state.sweep_at {
            state.reads.retain(|_, read| {
                let reading = read.reading.upgrade();
                let is_held = reading.is_some();
                spent.extend(reading);
                is_held
            });
            state.sweep_at = (2 * state.reads.len()).max(16);
        }
        let watched = Arc::clone(self);
        let reading = async move { unpanicked(watched.page(place, through)).await };
        let reading = Shared::new(reading.boxed());
        if let Some(weak) = reading.downgrade() {
            let read = Read {
                through,
                number: state.begun,
                began: Instant::now(),
                reading: weak,
            };
            state.begun += 1;
            state.reads.insert(place, read);
        }
        reading
    }

    async fn page(&self, place: Place, through: u64) -> Result<Arc<Batch>> {
        let (log, key) = (&self.log, &self.key);
        let page = if place.raw {
            log.read_raw(key, place.cursor, PAGE).await?
        } else {
            log.read(key, place.cursor, PAGE).await?
        };
        if page.more && page.events.is_empty() {
            let error = "empty page where there is more to read";
            return Err(LogError::internal(error));
        }
        // A follower may be past a page's first events by the time it looks: it could not tell.
        if let Some(first) = page.events.first()
            && first.ordinal <= place.cursor
        {
            let (first, cursor) = (first.ordinal, place.cursor);
            let error = format!("page begins at or before its cursor: {first} after {cursor}");
            return Err(LogError::internal(error));
        }
        self.saw(page.last().unwrap_or(0));
        Ok(Arc::new(Batch {
            is_small: is_small(&page.events),
            events: page.events.into_iter().map(Arc::new).collect(),
            more: page.more,
            through,
        }))
    }
}

impl Read {
    /// Whether it serves one who knows that the log has reached `through`: it does if it began no
    /// earlier than that, or has found something. An older one that finds nothing says nothing.
    fn serves(&self, reading: &Reading, through: u64) -> bool {
        match reading.peek() {
            Some(Ok(batch)) => !batch.events.is_empty() && self.began.elapsed() < SHARED_FOR,
            Some(Err(_)) => false,
            None => self.through >= through,
        }
    }
}

/// Whether a page may be kept for others by one who has read it.
fn is_small(events: &[Recorded]) -> bool {
    let mut left = KEPT_BYTES;
    (1..=KEPT_EVENTS).contains(&events.len())
        && events.iter().all(|recorded| {
            let bytes = recorded_bytes(recorded);
            let fits = bytes <= left;
            left = left.saturating_sub(bytes);
            fits
        })
}

/// A call that fails where the log panics: a shared future that panics itself takes all with it who
/// look at it.
async fn unpanicked<T>(call: impl Future<Output = Result<T>>) -> Result<T> {
    caught(call).await.unwrap_or_else(Err)
}

/// The news, `late` or not.
fn told(news: News, late: bool) -> News {
    if !late {
        return news;
    }
    let late = news.then(|last| async move {
        if last.is_ok() {
            Delay::new(PATIENCE).await;
        }
        last
    });
    Shared::new(late.boxed())
}

/// A wait that is over has nothing to say to one who begins to wait: it is put with what is `spent`.
fn under_way(news: Option<&Pending<u64>>, spent: &mut Vec<News>) -> Option<News> {
    let news = news?.upgrade()?;
    if news.peek().is_none() {
        return Some(news);
    }
    spent.push(news);
    None
}
