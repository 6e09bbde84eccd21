//! The reference: the laws in their simplest form.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use async_trait::async_trait;
use bus_core::{CustomEvent, Event, Json, Meta, TenantId, ThreadKey};
use chrono::{DateTime, Utc};
use futures_timer::Delay;
use futures_util::future::{Either, select};
use tokio::sync::watch;

use crate::{
    Bounds, Entry, Expect, LogError, MAX_EVENT_BYTES, PAGE_BYTES, Page, Recorded, Result,
    SessionLog, ThreadSummary, meta_bytes, to_micros,
};

/// A session log in memory: the reference that other logs are tested against, and a log for tests.
///
/// It keeps every law but one: what `Ok` means here does not outlive the process.
#[derive(Debug)]
pub struct InMemorySessionLog {
    threads: Mutex<BTreeMap<ThreadKey, Thread>>,
    /// Counts appends, so that `changed` can be woken.
    appends: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct Thread {
    /// The highest hidden ordinal. `events[0]` has the ordinal after it.
    watermark: u64,
    erased: bool,
    events: Vec<Stored>,
}

/// An event as bytes, which is how every other log keeps it.
#[derive(Debug)]
struct Stored {
    at: DateTime<Utc>,
    meta: Meta,
    /// What all of its batch are in.
    text: Arc<str>,
    json: Range<usize>,
}

impl Stored {
    fn json(&self) -> &str {
        &self.text[self.json.clone()]
    }

    fn len(&self) -> usize {
        self.json.len() + self.meta.as_str().len()
    }
}

/// A batch as bytes, one event after the other.
struct Encoded {
    text: Arc<str>,
    /// Where each ends.
    ends: Vec<usize>,
}

impl Encoded {
    fn of(entries: &[Entry]) -> Result<Self> {
        let mut text = Vec::with_capacity(entries.len() * 128);
        let mut ends = Vec::with_capacity(entries.len());
        for entry in entries {
            let begin = text.len();
            match &entry.event {
                Event::Custom(event) => text.extend_from_slice(event.as_json().as_str().as_bytes()),
                event => serde_json::to_writer(&mut text, event).map_err(|error| {
                    LogError::invalid("event without a JSON form").with_source(error)
                })?,
            }
            let bytes = text.len() - begin + meta_bytes(&entry.meta);
            if bytes > MAX_EVENT_BYTES {
                return Err(LogError::invalid(format!(
                    "event of {bytes} bytes, at most {MAX_EVENT_BYTES}"
                )));
            }
            ends.push(text.len());
        }
        let text = String::from_utf8(text)
            .map_err(|error| LogError::internal("JSON in no UTF-8").with_source(error))?;
        let text = text.into();
        Ok(Self { text, ends })
    }

    fn stored(self, entries: &[Entry]) -> impl Iterator<Item = Stored> {
        let begins = std::iter::once(0).chain(self.ends.clone());
        let places = begins.zip(self.ends).map(|(begin, end)| begin..end);
        entries.iter().zip(places).map(move |(entry, json)| Stored {
            at: to_micros(entry.at),
            meta: entry.meta.clone(),
            text: Arc::clone(&self.text),
            json,
        })
    }
}

impl InMemorySessionLog {
    /// An empty log.
    #[must_use]
    pub fn new() -> Self {
        Self {
            threads: Mutex::default(),
            appends: watch::Sender::new(0),
        }
    }

    fn threads(&self) -> MutexGuard<'_, BTreeMap<ThreadKey, Thread>> {
        self.threads.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn page(
        &self,
        key: &ThreadKey,
        cursor: u64,
        limit: usize,
        read: impl Fn(&str) -> Result<Event, bus_core::JsonError>,
    ) -> Result<Page> {
        let threads = self.threads();
        let Some(thread) = threads.get(key) else {
            return Ok(Page::default());
        };
        let from = cursor.max(thread.watermark);
        let skipped = usize::try_from(from - thread.watermark).unwrap_or(usize::MAX);
        let readable = thread.events.get(skipped..).unwrap_or_default();
        let mut bytes = 0;
        let mut events = Vec::new();
        for (index, stored) in (0..).zip(readable.iter().take(limit.max(1))) {
            let ordinal = from + 1 + index;
            bytes += stored.len();
            if bytes > PAGE_BYTES && !events.is_empty() {
                break;
            }
            let event = read(stored.json()).map_err(|error| {
                LogError::corrupt(format!("ordinal {ordinal}")).with_source(error)
            })?;
            events.push(Recorded {
                ordinal,
                at: stored.at,
                meta: stored.meta.clone(),
                event,
            });
        }
        let more = events.len() < readable.len();
        Ok(Page::new(events, more))
    }
}

impl Default for InMemorySessionLog {
    fn default() -> Self {
        Self::new()
    }
}

impl Thread {
    fn bounds(&self) -> Bounds {
        Bounds::new(
            self.watermark,
            self.watermark + self.events.len() as u64,
            self.erased,
        )
    }

    /// Hides ordinals up to `watermark`, which must not be past the last.
    fn hide(&mut self, watermark: u64) -> usize {
        let newly = usize::try_from(watermark - self.watermark).unwrap_or(self.events.len());
        self.events.drain(..newly);
        self.watermark = watermark;
        newly
    }
}

#[async_trait]
impl SessionLog for InMemorySessionLog {
    async fn append_entries(
        &self,
        key: &ThreadKey,
        expect: Expect,
        entries: &[Entry],
    ) -> Result<u64> {
        if expect == Expect::StartAt(0) {
            return Err(LogError::invalid("ordinals start at 1, not 0"));
        }
        let encoded = Encoded::of(entries)?;
        let mut threads = self.threads();
        let last = threads.get(key).map_or(0, |thread| thread.bounds().last);
        let watermark = match expect {
            Expect::Last(expected) if expected != last => return Err(LogError::conflict(last)),
            Expect::StartAt(_) if last > 0 => return Err(LogError::conflict(last)),
            Expect::StartAt(first) => first - 1,
            Expect::Any | Expect::Last(_) => 0,
        };
        if entries.is_empty() {
            return Ok(last);
        }
        if last
            .max(watermark)
            .checked_add(entries.len() as u64)
            .is_none()
        {
            return Err(LogError::invalid("ordinals end at 2^64 - 1"));
        }
        let thread = threads.entry(key.clone()).or_insert_with(|| Thread {
            watermark,
            ..Thread::default()
        });
        thread.events.extend(encoded.stored(entries));
        let last = thread.bounds().last;
        drop(threads);
        self.appends.send_modify(|count| *count += 1);
        Ok(last)
    }

    async fn read(&self, key: &ThreadKey, cursor: u64, limit: usize) -> Result<Page> {
        self.page(key, cursor, limit, Event::parse)
    }

    async fn read_raw(&self, key: &ThreadKey, cursor: u64, limit: usize) -> Result<Page> {
        self.page(key, cursor, limit, |json| {
            CustomEvent::from_json(Json::parse(json)?).map(Event::from)
        })
    }

    async fn archive_before(&self, key: &ThreadKey, watermark: u64) -> Result<usize> {
        let mut threads = self.threads();
        let Some(thread) = threads.get_mut(key) else {
            return Ok(0);
        };
        let watermark = watermark.clamp(thread.watermark, thread.bounds().last);
        Ok(thread.hide(watermark))
    }

    async fn bounds(&self, key: &ThreadKey) -> Result<Bounds> {
        Ok(self
            .threads()
            .get(key)
            .map(Thread::bounds)
            .unwrap_or_default())
    }

    async fn list(
        &self,
        tenant: &TenantId,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<ThreadSummary>> {
        let threads = self.threads();
        let of_tenant = threads.iter().filter(|(key, _)| key.tenant_id() == tenant);
        let wanted = of_tenant.filter(|(key, _)| after.is_none_or(|after| key.thread_id() > after));
        let summaries = wanted.take(limit).map(|(key, thread)| {
            let bytes: usize = thread.events.iter().map(Stored::len).sum();
            ThreadSummary::new(key.clone(), thread.bounds())
                .with_last_at(thread.events.last().map(|event| event.at))
                .with_bytes(bytes as u64)
        });
        Ok(summaries.collect())
    }

    async fn tenants(&self, after: Option<&TenantId>, limit: usize) -> Result<Vec<TenantId>> {
        let threads = self.threads();
        let mut tenants: Vec<TenantId> = threads
            .keys()
            .map(|key| key.tenant_id().clone())
            .filter(|tenant| after.is_none_or(|after| tenant > after))
            .collect();
        tenants.dedup();
        tenants.truncate(limit);
        Ok(tenants)
    }

    async fn erase(&self, key: &ThreadKey) -> Result<()> {
        if let Some(thread) = self.threads().get_mut(key) {
            thread.hide(thread.bounds().last);
            thread.erased = true;
        }
        Ok(())
    }

    async fn changed(&self, key: &ThreadKey, after: u64, deadline: Instant) -> Result<u64> {
        let mut appends = self.appends.subscribe();
        loop {
            let last = self.bounds(key).await?.last;
            let left = deadline.saturating_duration_since(Instant::now());
            if last > after || left.is_zero() {
                return Ok(last);
            }
            let woken = select(Box::pin(appends.changed()), Delay::new(left)).await;
            if let Either::Left((Err(_), _)) = woken {
                return Err(LogError::closed("log was dropped"));
            }
        }
    }
}
