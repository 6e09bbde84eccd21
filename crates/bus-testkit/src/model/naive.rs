//! A log that nobody can get wrong, or use.

use std::sync::{Mutex, PoisonError};

use bus_log::{
    Bounds, CustomEvent, Entry, Expect, LogError, MAX_EVENT_BYTES, Page, Recorded, Result,
    SessionLog, TenantId, ThreadKey, ThreadSummary, async_trait, encoded_bytes, to_micros,
};

/// The laws as literally as they can be written: a list of threads, each a list of all its ordinals
/// with the event or nothing. Slow, and its pages are not bounded in bytes.
///
/// It shares no code with the reference, which it checks.
#[derive(Debug, Default)]
pub struct NaiveLog {
    threads: Mutex<Vec<(ThreadKey, Thread)>>,
}

#[derive(Clone, Debug, Default)]
struct Thread {
    /// Index 0 is ordinal 1. What is hidden is `None`.
    ordinals: Vec<Option<Entry>>,
    erased: bool,
}

impl Thread {
    fn watermark(&self) -> u64 {
        self.ordinals.iter().filter(|entry| entry.is_none()).count() as u64
    }

    fn bounds(&self) -> Bounds {
        Bounds::new(self.watermark(), self.ordinals.len() as u64, self.erased)
    }

    fn after(&self, cursor: u64) -> Vec<Recorded> {
        let mut events = Vec::new();
        for (index, entry) in self.ordinals.iter().enumerate() {
            let ordinal = index as u64 + 1;
            if let Some(entry) = entry
                && ordinal > cursor
            {
                events.push(Recorded {
                    ordinal,
                    at: entry.at,
                    meta: entry.meta.clone(),
                    event: entry.event.clone(),
                });
            }
        }
        events
    }
}

impl NaiveLog {
    /// Works on a copy of the thread, kept if the work says so and the thread has an event.
    fn with<T>(&self, key: &ThreadKey, work: impl FnOnce(&mut Thread) -> Result<T>) -> Result<T> {
        let mut threads = self.threads.lock().unwrap_or_else(PoisonError::into_inner);
        let place = threads.iter().position(|(known, _)| known == key);
        let mut thread = place.map_or_else(Thread::default, |place| threads[place].1.clone());
        let result = work(&mut thread)?;
        match place {
            Some(place) => threads[place].1 = thread,
            None if thread.ordinals.is_empty() => {}
            None => threads.push((key.clone(), thread)),
        }
        threads.sort_by(|(a, _), (b, _)| a.cmp(b));
        Ok(result)
    }

    fn keys(&self) -> Vec<(ThreadKey, Bounds)> {
        let threads = self.threads.lock().unwrap_or_else(PoisonError::into_inner);
        let keys = threads
            .iter()
            .map(|(key, thread)| (key.clone(), thread.bounds()));
        keys.collect()
    }
}

#[async_trait]
impl SessionLog for NaiveLog {
    async fn append_entries(
        &self,
        key: &ThreadKey,
        expect: Expect,
        entries: &[Entry],
    ) -> Result<u64> {
        if entries
            .iter()
            .any(|entry| encoded_bytes(entry) > MAX_EVENT_BYTES)
        {
            return Err(LogError::invalid("too large"));
        }
        self.with(key, |thread| {
            let last = thread.ordinals.len() as u64;
            match expect {
                Expect::Any => {}
                Expect::Last(expected) if expected == last => {}
                Expect::StartAt(0) => return Err(LogError::invalid("ordinals start at 1")),
                Expect::StartAt(first) if last == 0 => {
                    if !entries.is_empty() {
                        thread.ordinals = vec![None; first as usize - 1];
                    }
                }
                Expect::Last(_) | Expect::StartAt(_) => return Err(LogError::conflict(last)),
            }
            for entry in entries {
                let mut entry = entry.clone();
                entry.at = to_micros(entry.at);
                thread.ordinals.push(Some(entry));
            }
            Ok(thread.ordinals.len() as u64)
        })
    }

    async fn read(&self, key: &ThreadKey, cursor: u64, limit: usize) -> Result<Page> {
        self.with(key, |thread| {
            let mut events = thread.after(cursor);
            let more = events.len() > limit.max(1);
            events.truncate(limit.max(1));
            Ok(Page::new(events, more))
        })
    }

    async fn read_raw(&self, key: &ThreadKey, cursor: u64, limit: usize) -> Result<Page> {
        let mut page = self.read(key, cursor, limit).await?;
        for recorded in &mut page.events {
            let raw = CustomEvent::from_json(recorded.event.to_json());
            recorded.event = raw.map_err(|_| LogError::internal("no type"))?.into();
        }
        Ok(page)
    }

    async fn archive_before(&self, key: &ThreadKey, watermark: u64) -> Result<usize> {
        self.with(key, |thread| {
            let mut hidden = 0;
            for (index, entry) in thread.ordinals.iter_mut().enumerate() {
                if (index as u64) < watermark && entry.take().is_some() {
                    hidden += 1;
                }
            }
            Ok(hidden)
        })
    }

    async fn bounds(&self, key: &ThreadKey) -> Result<Bounds> {
        self.with(key, |thread| Ok(thread.bounds()))
    }

    async fn list(
        &self,
        tenant: &TenantId,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<ThreadSummary>> {
        let mut threads = Vec::new();
        for (key, bounds) in self.keys() {
            let wanted = after.is_none_or(|after| key.thread_id().as_bytes() > after.as_bytes());
            if key.tenant_id() == tenant && wanted && threads.len() < limit {
                threads.push(ThreadSummary::new(key, bounds));
            }
        }
        Ok(threads)
    }

    async fn tenants(&self, after: Option<&TenantId>, limit: usize) -> Result<Vec<TenantId>> {
        let mut tenants: Vec<TenantId> = Vec::new();
        for (key, _) in self.keys() {
            let tenant = key.tenant_id();
            let wanted = after.is_none_or(|after| tenant.as_str() > after.as_str());
            if wanted && !tenants.contains(tenant) && tenants.len() < limit {
                tenants.push(tenant.clone());
            }
        }
        Ok(tenants)
    }

    async fn erase(&self, key: &ThreadKey) -> Result<()> {
        self.with(key, |thread| {
            thread.erased = !thread.ordinals.is_empty();
            thread.ordinals.fill(None);
            Ok(())
        })
    }
}
