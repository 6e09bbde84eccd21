//! From a file's events to the log, in batches.

use std::collections::HashMap;
use std::collections::hash_map::Entry as MapEntry;
use std::sync::Arc;

use bus_import::{Imported, fingerprint};
use bus_log::{Bounds, Entry, Expect, LogErrorKind, SessionLog, ThreadKey, encoded_bytes};

use super::known::Known;
use crate::logs::Logs;

/// Events of a batch.
const BATCH: usize = 1024;

/// Bytes that wait in the batches of all threads of a file.
const BATCH_BYTES: usize = 4 << 20;

/// Times that another import of the same session may get in before us.
const ATTEMPTS: usize = 100;

/// Appends the events that the log does not have.
pub(super) struct Appender<'a> {
    logs: &'a Logs,
    threads: HashMap<Arc<str>, Thread>,
    waiting_bytes: usize,
}

/// What an import did to a thread.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Appended {
    /// Events that were new.
    pub(super) new: u64,
    /// Events of the thread that are archived, if it is a guess which of the file's these were.
    pub(super) guessed: Option<u64>,
    /// True if the thread was erased before.
    pub(super) erased: bool,
}

struct Thread {
    bounds: Bounds,
    key: ThreadKey,
    known: Known,
    last: u64,
    batch: Vec<Entry>,
    appended: u64,
}

impl<'a> Appender<'a> {
    /// For the events of one file.
    pub(super) fn new(logs: &'a Logs) -> Self {
        Self {
            logs,
            threads: HashMap::new(),
            waiting_bytes: 0,
        }
    }

    /// Takes one event; it is written now or later.
    pub(super) async fn push(&mut self, item: Imported) -> anyhow::Result<()> {
        let log = self.logs.log.as_ref();
        let thread = match self.threads.entry(item.thread) {
            MapEntry::Occupied(known) => known.into_mut(),
            MapEntry::Vacant(new) => {
                let thread = Thread::open(self.logs, new.key()).await?;
                new.insert(thread)
            }
        };
        let event = fingerprint(&item.at, &item.meta, &item.event);
        if thread.known.has(log, &thread.key, event).await? {
            return Ok(());
        }
        let entry = Entry {
            at: item.at,
            meta: item.meta,
            event: item.event,
        };
        self.waiting_bytes += encoded_bytes(&entry);
        thread.batch.push(entry);
        if thread.batch.len() >= BATCH || self.waiting_bytes >= BATCH_BYTES {
            self.write().await?;
        }
        Ok(())
    }

    /// Writes what is left; returns what became of each thread.
    pub(super) async fn finish(mut self) -> anyhow::Result<HashMap<Arc<str>, Appended>> {
        self.write().await?;
        let threads = self.threads.into_iter();
        Ok(threads
            .map(|(id, thread)| (id, thread.into_appended()))
            .collect())
    }

    async fn write(&mut self) -> anyhow::Result<()> {
        self.waiting_bytes = 0;
        for thread in self.threads.values_mut() {
            thread.write(self.logs.log.as_ref()).await?;
        }
        Ok(())
    }
}

impl Thread {
    fn into_appended(self) -> Appended {
        let guess = self.known.is_guess(self.appended);
        Appended {
            new: self.appended,
            guessed: guess.then_some(self.bounds.watermark),
            erased: self.bounds.erased,
        }
    }

    async fn open(logs: &Logs, id: &str) -> anyhow::Result<Self> {
        let key = logs.key(id)?;
        let bounds = logs.log.bounds(&key).await?;
        Ok(Self {
            key,
            known: Known::new(&bounds),
            last: bounds.last,
            bounds,
            batch: Vec::new(),
            appended: 0,
        })
    }

    /// Appends the batch behind the last ordinal that was looked at, so that of two imports at once
    /// one is told, and then leaves out what the other has written.
    async fn write(&mut self, log: &dyn SessionLog) -> anyhow::Result<()> {
        for _ in 0..ATTEMPTS {
            if self.batch.is_empty() {
                return Ok(());
            }
            let expect = Expect::Last(self.last);
            let error = match log.append_entries(&self.key, expect, &self.batch).await {
                Ok(last) => {
                    self.appended += self.batch.len() as u64;
                    self.batch.clear();
                    self.last = last;
                    self.known.appended(last);
                    return Ok(());
                }
                Err(error) => error,
            };
            match error.actual() {
                Some(actual) if error.kind() == LogErrorKind::Conflict => {
                    self.known.grow(log, &self.key, actual).await?;
                    self.last = actual;
                    let mut rest = Vec::new();
                    for entry in self.batch.drain(..) {
                        let event = fingerprint(&entry.at, &entry.meta, &entry.event);
                        if !self.known.has(log, &self.key, event).await? {
                            rest.push(entry);
                        }
                    }
                    self.batch = rest;
                }
                _ => return Err(error.into()),
            }
        }
        anyhow::bail!(
            "another program keeps writing to thread {:?}",
            self.key.thread_id()
        )
    }
}
