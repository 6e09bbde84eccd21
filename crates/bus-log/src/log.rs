//! The contract of a session log.

mod forward;

use std::io;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use bus_core::{CustomEvent, Event, Meta, TenantId, ThreadKey};
use chrono::{DateTime, Utc};
use futures_timer::Delay;

use crate::{Entry, Recorded, Result};

/// Largest event that every log must take: 16 MiB of [`encoded_bytes`]. Larger ones are `Invalid`
/// (law A8) unless a backend's profile names a higher limit.
pub const MAX_EVENT_BYTES: usize = 16 << 20;

/// A page stops growing at this many encoded bytes (4 MiB), though it holds at least one event.
pub const PAGE_BYTES: usize = 4 << 20;

/// A durable, ordered log of events per thread.
///
/// ```text
///                archived            readable
///             ┌─────┴─────┐   ┌─────────┴─────────┐
///   ordinal   1   2   3   4   5   6   7   8   9  10   11
///                         ▲   ▲       ▲           ▲    ▲
///                 watermark   first   │        last    next append
///                                  cursor 7: consumed up to here, next is 8
/// ```
///
/// - An **ordinal** is an event's 1-based position in its thread: gap-free, never reused.
/// - A **cursor** is the last ordinal already consumed; 0 is before the first.
/// - The **archival watermark** is the highest hidden ordinal, `first` is one more.
///
/// # What every log promises
///
/// The law's names are those of `bus-testkit`, where each is a test.
///
/// | Method | Must | May |
/// |---|---|---|
/// | [`append_entries`](Self::append_entries) | number on from the last ordinal (A1, A2), write all or nothing and unbroken (A3, A4), return only when durable (A5), check [`Expect`] (A6), keep every byte (A7), refuse what is too large with `Invalid` (A8) | leave the outcome unknown after `Unavailable` (E1) |
/// | [`read`](Self::read) | give what is readable after the cursor, in order, at least one event if there is one (L1, L2) | stop early at its own bound of bytes |
/// | [`archive_before`](Self::archive_before) | delete ordinals up to the watermark for readers, without a copy (W1–W3) | free the space later |
/// | [`bounds`](Self::bounds) | answer for unknown threads too | |
/// | [`list`](Self::list), [`tenants`](Self::tenants) | name each once, in byte order, and no other tenant's (I2) | |
/// | [`erase`](Self::erase) | make the events unreadable at once, keep the key and the last ordinal (X1, A2) | leave a residue that its profile names |
/// | [`changed`](Self::changed) | return once the last ordinal has passed `after`, or at the deadline | return late by its polling interval |
///
/// No two keys ever share a record, whatever their names hold (I1). Every future works under any
/// executor and after the runtime in which the log was opened (R1); dropping the log joins its
/// threads and releases its locks (R2); dropping an append's future leaves its batch whole or
/// absent (C1).
///
/// # Which errors a method gives
///
/// What to do about each [kind](crate::LogErrorKind) stands there. ● the method gives it; a provided method gives
/// what the one gives that it is made of.
///
/// | Method | `Unavailable` | `Busy` | `Conflict` | `Invalid` | `Corrupt` | `Closed` | `Unsupported` |
/// |---|---|---|---|---|---|---|---|
/// | [`append_entries`](Self::append_entries), [`append`](Self::append), [`append_expecting`](Self::append_expecting) | ● outcome unknown | ● | ● not with [`Expect::Any`] | ● | ● | ● | ● |
/// | [`read`](Self::read), [`read_raw`](Self::read_raw), [`load_since`](Self::load_since) | ● | ○ | | | ● | ● | ○ |
/// | [`bounds`](Self::bounds), [`changed`](Self::changed) | ● | ○ | | | ● | ● | ○ |
/// | [`list`](Self::list), [`tenants`](Self::tenants) | ● | ○ | | | ● | ● | ○ |
/// | [`archive_before`](Self::archive_before) | ● outcome unknown | ● | | | ● | ● | ● |
/// | [`erase`](Self::erase) | ● outcome unknown | ● | | | ● | ● | ● |
///
/// - ○: rare, and yet a caller must be ready for it. `Busy` from a log that can't read while another writer holds the
///   thread: treat it as `Unavailable`. `Unsupported` for what a newer version of the software wrote.
/// - `Unsupported` from a method that writes: the log is open to be read only.
/// - `Invalid` from a log on a server, also where no ● stands: a value or a batch is past what the server takes.
/// - `Internal` may come from any method.
///
/// ```
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// use bus_log::{InMemorySessionLog, LogErrorKind, SessionEvent, SessionLog, TenantId, ThreadKey};
///
/// let log = InMemorySessionLog::new();
/// let key = ThreadKey::new(TenantId::new("acme"), "session-7");
/// let last = log.append(&key, &[SessionEvent::Thinking.into(), SessionEvent::Done.into()]).await?;
/// assert_eq!(last, 2);
///
/// // After an outcome that nobody knows: the ordinal expected makes a retry harmless.
/// let again = [SessionEvent::Done.into()];
/// let refused = log.append_expecting(&key, 1, &again).await.unwrap_err();
/// assert_eq!((refused.kind(), refused.actual()), (LogErrorKind::Conflict, Some(2)));
///
/// log.archive_before(&key, 1).await?;
/// let page = log.read(&key, 0, 100).await?;
/// assert_eq!(page.events[0].ordinal, 2);
/// # Ok::<(), bus_log::LogError>(())
/// # }).unwrap();
/// ```
#[async_trait]
pub trait SessionLog: Send + Sync + 'static {
    /// Appends `entries` to the thread, all or none of them, and returns its last ordinal.
    ///
    /// An empty batch writes nothing and returns the last ordinal, 0 for a thread that never had an
    /// event. `expect` is checked for it too.
    ///
    /// # Errors
    ///
    /// `Conflict` if `expect` does not hold; `Invalid` if an event, the batch or a name is too large, for
    /// a start at 0 and for ordinals past what the log can count; `Busy` if another writer holds the thread;
    /// `Unsupported` if the log is open to be read only; `Closed` if it was closed; `Corrupt` if what is
    /// stored is so damaged that nobody knows where to go on: nothing was written. `Unavailable`: the
    /// outcome may be unknown; re-read and use [`Expect::Last`]. All methods and kinds:
    /// [the table](#which-errors-a-method-gives).
    async fn append_entries(
        &self,
        key: &ThreadKey,
        expect: Expect,
        entries: &[Entry],
    ) -> Result<u64>;

    /// Reads at most `limit` events with ordinals greater than `cursor`, in order. A limit of 0 is
    /// taken as 1. An unknown thread and a cursor past the end give an empty page.
    ///
    /// # Errors
    ///
    /// `Corrupt` if what is stored is damaged: the page is not served in part. `Unavailable` if the log can't be
    /// asked; `Closed` if it was closed. All methods and kinds: [the table](#which-errors-a-method-gives).
    async fn read(&self, key: &ThreadKey, cursor: u64, limit: usize) -> Result<Page>;

    /// Deletes, for readers, every ordinal <= `watermark`; nothing keeps a copy.
    ///
    /// Returns how many were newly hidden. A watermark past the last ordinal is taken as the last ordinal; one that
    /// is not higher than the present one changes nothing and returns 0. On an unknown thread it
    /// returns 0 and leaves no trace.
    ///
    /// # Errors
    ///
    /// After `Unavailable` the ordinals may be hidden or not, but never some of them: read the
    /// [`bounds`](Self::bounds), or call again, which then counts only what is newly hidden. After any other
    /// nothing was hidden: `Busy` if another writer holds the thread; `Corrupt` if what is stored is so damaged that
    /// it can't be taken apart; `Closed` if the log was closed; `Unsupported` if it is open to be read only. All
    /// methods and kinds: [the table](#which-errors-a-method-gives).
    async fn archive_before(&self, key: &ThreadKey, watermark: u64) -> Result<usize>;

    /// The thread's first and last ordinals and what happened to it; [`Bounds::default`] for an
    /// unknown thread.
    ///
    /// # Errors
    ///
    /// `Unavailable` if the log can't be asked; `Corrupt` if what is stored is so damaged that the bounds
    /// are unknown: it never gives those of an unknown thread instead; `Closed` if it was closed. All methods
    /// and kinds: [the table](#which-errors-a-method-gives).
    async fn bounds(&self, key: &ThreadKey) -> Result<Bounds>;

    /// Lists at most `limit` of the tenant's threads, in byte order of their ids, those after
    /// `after`. Erased threads are listed too, and damaged ones as [damaged](ThreadSummary::damaged).
    ///
    /// # Errors
    ///
    /// `Corrupt` where damage hides a thread's very name: it is told in place of the empty last page, so that all
    /// other threads are listed and nothing is passed over. `Unavailable` if the log can't be asked; `Closed` if it
    /// was closed. All methods and kinds: [the table](#which-errors-a-method-gives).
    async fn list(
        &self,
        tenant: &TenantId,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<ThreadSummary>>;

    /// Lists at most `limit` tenants, in byte order, those after `after`.
    ///
    /// # Errors
    ///
    /// `Corrupt` where damage hides a tenant's very name: it is told in place of the empty last page. Else as
    /// [`list`](Self::list).
    async fn tenants(&self, after: Option<&TenantId>, limit: usize) -> Result<Vec<TenantId>>;

    /// Makes all events of the thread unreadable for good. The key stays known, as erased, and the
    /// next append continues at the last ordinal + 1. On an unknown thread it does nothing.
    ///
    /// # Errors
    ///
    /// `Unavailable` if the log can't be asked; `Busy` if another writer holds the thread; `Corrupt` if damage
    /// keeps the log from it; `Closed` if the log was closed; `Unsupported` if it is open to be
    /// read only. After any of them the thread may be erased or not: call again. All methods and kinds:
    /// [the table](#which-errors-a-method-gives).
    async fn erase(&self, key: &ThreadKey) -> Result<()>;

    /// Appends events that happen now, whatever the last ordinal is, and returns the new one.
    ///
    /// # Errors
    ///
    /// As [`append_entries`](Self::append_entries).
    async fn append(&self, key: &ThreadKey, events: &[Event]) -> Result<u64> {
        let entries = entries_now(events);
        self.append_entries(key, Expect::Any, &entries).await
    }

    /// Appends events that happen now, if the last ordinal is `last`, and returns the new one.
    ///
    /// # Errors
    ///
    /// As [`append_entries`](Self::append_entries).
    async fn append_expecting(&self, key: &ThreadKey, last: u64, events: &[Event]) -> Result<u64> {
        let entries = entries_now(events);
        self.append_entries(key, Expect::Last(last), &entries).await
    }

    /// All readable events with ordinals greater than `cursor`. For a long thread
    /// [`read`](Self::read) page by page: this holds them all in memory.
    ///
    /// # Errors
    ///
    /// As [`read`](Self::read).
    async fn load_since(&self, key: &ThreadKey, cursor: u64) -> Result<Vec<Recorded>> {
        let mut all: Vec<Recorded> = Vec::new();
        loop {
            let cursor = all.last().map_or(cursor, |event| event.ordinal);
            let page = self.read(key, cursor, 4096).await?;
            if page.more && page.events.is_empty() {
                return Err(crate::LogError::internal(
                    "empty page where there is more to read",
                ));
            }
            all.extend(page.events);
            if !page.more {
                return Ok(all);
            }
        }
    }

    /// As [`read`](Self::read), with every event as [`Event::Custom`], whatever its type, its bytes
    /// as they were written: for what moves or checks events without reading them.
    ///
    /// The default writes events anew, which gives the same bytes only for a log that stores what
    /// [`Event::to_json`] writes; one that stores the bytes it was given overrides it.
    ///
    /// # Errors
    ///
    /// As [`read`](Self::read).
    async fn read_raw(&self, key: &ThreadKey, cursor: u64, limit: usize) -> Result<Page> {
        let mut page = self.read(key, cursor, limit).await?;
        for recorded in &mut page.events {
            let raw = CustomEvent::from_json(recorded.event.to_json()).map_err(|error| {
                crate::LogError::internal("event without a type").with_source(error)
            })?;
            recorded.event = raw.into();
        }
        Ok(page)
    }

    /// Waits until the thread's last ordinal is greater than `after`, at most until `deadline`, and
    /// returns the last ordinal, which at the deadline may be anything.
    ///
    /// The default asks [`bounds`](Self::bounds) every 5 ms at first and every 250 ms in the end; a
    /// log that can be woken overrides it.
    ///
    /// # Errors
    ///
    /// As [`bounds`](Self::bounds).
    async fn changed(&self, key: &ThreadKey, after: u64, deadline: Instant) -> Result<u64> {
        let mut pause = Duration::from_millis(5);
        loop {
            let last = self.bounds(key).await?.last;
            let left = deadline.saturating_duration_since(Instant::now());
            if last > after || left.is_zero() {
                return Ok(last);
            }
            Delay::new(pause.min(left)).await;
            pause = (pause * 2).min(Duration::from_millis(250));
        }
    }
}

fn entries_now(events: &[Event]) -> Vec<Entry> {
    events.iter().cloned().map(Entry::from).collect()
}

/// What must hold of a thread's last ordinal for an append to happen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Expect {
    /// Anything.
    #[default]
    Any,
    /// It is this one; 0 for a thread that never had an event.
    Last(u64),
    /// The thread never had an event. The first of the batch gets this ordinal, and what would lie
    /// before it counts as archived: the watermark is one less. For copies of a log whose first
    /// events are gone. 0 is `Invalid`.
    StartAt(u64),
}

/// Some of a thread's events, in order.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Page {
    /// The events.
    pub events: Vec<Recorded>,
    /// True if there were more after them when the page was read.
    pub more: bool,
}

impl Page {
    /// A page of `events`, after which there are more or not.
    #[must_use]
    pub const fn new(events: Vec<Recorded>, more: bool) -> Self {
        Self { events, more }
    }

    /// The ordinal of its last event: the cursor of the next page.
    #[must_use]
    pub fn last(&self) -> Option<u64> {
        self.events.last().map(|event| event.ordinal)
    }
}

/// How far a thread reaches. `first` is always `watermark + 1`; nothing is readable where
/// `first > last`, as in an unknown thread, which is the default.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Bounds {
    /// The oldest readable ordinal.
    pub first: u64,
    /// The newest ordinal; 0 if there never was an event.
    pub last: u64,
    /// The highest hidden ordinal; 0 if none is.
    pub watermark: u64,
    /// True once the thread was erased: what lies at or below the watermark is gone for good.
    pub erased: bool,
}

impl Bounds {
    /// The bounds of a thread whose ordinals up to `watermark` are hidden.
    #[must_use]
    pub const fn new(watermark: u64, last: u64, erased: bool) -> Self {
        Self {
            first: watermark.saturating_add(1),
            last,
            watermark,
            erased,
        }
    }

    /// How many events can be read.
    #[must_use]
    pub const fn readable(&self) -> u64 {
        self.last.saturating_sub(self.watermark)
    }

    /// True if the thread ever had an event.
    #[must_use]
    pub const fn is_known(&self) -> bool {
        self.last > 0
    }
}

impl Default for Bounds {
    fn default() -> Self {
        Self::new(0, 0, false)
    }
}

/// A thread, as [`SessionLog::list`] names it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ThreadSummary {
    /// Its key.
    pub key: ThreadKey,
    /// How far it reaches.
    pub bounds: Bounds,
    /// The time of its newest readable event, where the log knows it cheaply.
    pub last_at: Option<DateTime<Utc>>,
    /// Bytes it takes in the store, where the log knows them.
    pub bytes: Option<u64>,
    /// True if the log found it damaged while listing, and its bounds are not known: whoever reads it is
    /// told what is wrong. False proves nothing.
    pub damaged: bool,
}

impl ThreadSummary {
    /// A summary with nothing known but the bounds.
    #[must_use]
    pub const fn new(key: ThreadKey, bounds: Bounds) -> Self {
        Self {
            key,
            bounds,
            last_at: None,
            bytes: None,
            damaged: false,
        }
    }

    /// Sets the time of its newest event.
    #[must_use]
    pub const fn with_last_at(mut self, at: Option<DateTime<Utc>>) -> Self {
        self.last_at = at;
        self
    }

    /// The same as that of a thread whose bounds can't be read.
    #[must_use]
    pub const fn as_damaged(mut self) -> Self {
        self.damaged = true;
        self
    }

    /// Sets its size in the store, in bytes.
    #[must_use]
    pub const fn with_bytes(mut self, bytes: u64) -> Self {
        self.bytes = Some(bytes);
        self
    }
}

/// An entry's size as the limits count it: the bytes of its event's and its meta's JSON text.
#[must_use]
pub fn encoded_bytes(entry: &Entry) -> usize {
    bytes_of(&entry.meta, &entry.event)
}

/// The same of what was recorded.
pub(crate) fn recorded_bytes(recorded: &Recorded) -> usize {
    bytes_of(&recorded.meta, &recorded.event)
}

fn bytes_of(meta: &Meta, event: &Event) -> usize {
    meta_bytes(meta)
        + match event {
            Event::Custom(event) => event.as_json().as_str().len(),
            event => {
                let mut count = Count(0);
                // Writing to a counter can't fail.
                match serde_json::to_writer(&mut count, event) {
                    Ok(()) => count.0,
                    Err(_) => usize::MAX,
                }
            }
        }
}

pub(crate) fn meta_bytes(meta: &Meta) -> usize {
    if meta.is_empty() {
        0
    } else {
        meta.as_str().len()
    }
}

/// Counts what is written.
struct Count(usize);

impl io::Write for Count {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += bytes.len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
