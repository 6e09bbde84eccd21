//! The sessions that this process owns.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bus_log::{LogError, Result, ThreadKey};

use super::Shared;
use crate::fs::{self, DiskFile};
use crate::header::Header;
use crate::journal::{Journal, RecoveryReport, recover, rewrite};
use crate::layout::{Layout, ThreadId, ThreadPaths};
use crate::lock::{Attempt, ThreadLock};
use crate::session_file::Snapshot;
use crate::stats::Counters;

/// How often idle sessions are looked for at most.
const LOOK: Duration = Duration::from_secs(1);

/// How long to try to take over from a process that is dying.
const DYING: Duration = Duration::from_secs(2);

/// Everything the committer's thread owns.
pub(super) struct Threads {
    pub(super) shared: Arc<Shared>,
    held: HashMap<ThreadId, Held>,
    /// Made with the first session that is written.
    pub(super) journal: Option<Journal>,
    next_look: Instant,
}

/// A session that this process owns.
pub(super) struct Held {
    pub(super) key: ThreadKey,
    pub(super) paths: ThreadPaths,
    lock: ThreadLock,
    pub(super) file: Option<DiskFile>,
    /// None while the thread has no event.
    pub(super) header: Option<Header>,
    /// Newest durable ordinal.
    pub(super) last: u64,
    /// Bytes of the session file, all of them whole batches.
    pub(super) len: u64,
    /// What is durable and could not be written into the session file, and where it belongs.
    pending: Option<(u64, Vec<u8>)>,
    /// The file was written since its last sync.
    pub(super) dirty: bool,
    /// A sync of the file failed: what the journal holds of it is to be written again.
    pub(super) suspect: bool,
    /// The file's name may not be durable, though its records in the journal would make it again.
    new_name: bool,
    /// The file was replaced and its name may not be durable: nothing may be journaled.
    pub(super) replaced: bool,
    used: Instant,
}

impl Held {
    /// Writes durable bytes into the session file, or keeps them until that works.
    pub(super) fn show(
        &mut self,
        layout: &Layout,
        position: u64,
        bytes: Vec<u8>,
    ) -> fs::Result<()> {
        let written = self.write(layout, position, &bytes);
        if written.is_err() {
            self.pending = Some((position, bytes));
        }
        written
    }

    fn write(&mut self, layout: &Layout, position: u64, bytes: &[u8]) -> fs::Result<()> {
        let file = match &self.file {
            Some(file) => file,
            None => {
                let made = layout.disk.create(&self.paths.session)?;
                let made =
                    made.ok_or_else(|| fs::DiskError::missing("write in", &self.paths.dir))?;
                self.new_name = true;
                self.file.insert(made)
            }
        };
        self.dirty = true;
        file.write_at(bytes, position)?;
        self.len = position + bytes.len() as u64;
        Ok(())
    }

    /// Brings the session file up to what is durable.
    fn flush(&mut self, layout: &Layout) -> fs::Result<()> {
        if let Some((position, bytes)) = self.pending.take()
            && let Err(error) = self.write(layout, position, &bytes)
        {
            self.pending = Some((position, bytes));
            return Err(error);
        }
        if self.replaced {
            layout.disk.sync_dir(&self.paths.dir)?;
            self.replaced = false;
        }
        Ok(())
    }
}

impl Threads {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self {
            shared,
            held: HashMap::new(),
            journal: None,
            next_look: Instant::now() + LOOK,
        }
    }

    /// How many sessions one group may touch: fewer than are let go at once, so that none of a
    /// group's is.
    pub(super) fn group_threads(&self) -> usize {
        (self.shared.config.open_threads / 4).max(1)
    }

    pub(super) fn holds(&self, id: &ThreadId) -> bool {
        self.held.contains_key(id)
    }

    pub(super) fn held(&mut self, id: &ThreadId) -> Option<&mut Held> {
        self.held.get_mut(id)
    }

    /// The session, owned and settled, so that it may be written.
    pub(super) fn hold(&mut self, key: &ThreadKey, id: ThreadId) -> Result<&mut Held> {
        if !self.holds(&id) {
            self.make_room()?;
            let held = self.take(key)?;
            self.held.insert(id, held);
        }
        if self.held.get(&id).is_some_and(|held| held.suspect) {
            self.heal(&id)?;
        }
        let layout = self.shared.layout.clone();
        match self.held.get_mut(&id) {
            Some(held) => {
                held.used = Instant::now();
                held.flush(&layout)?;
                Ok(held)
            }
            None => Err(LogError::internal("a session was let go while it was used")),
        }
    }

    /// Takes the session's lock and looks how far its file reaches.
    fn take(&mut self, key: &ThreadKey) -> Result<Held> {
        let layout = self.shared.layout.clone();
        let paths = layout.thread(key);
        let lock = self.take_lock(&paths)?;
        match open_session(&layout, key, &paths) {
            Ok(opened) => {
                self.shared.recovered(RecoveryReport {
                    torn_session_bytes: opened.torn,
                    ..RecoveryReport::default()
                });
                let snapshot = opened.snapshot;
                Ok(Held {
                    key: key.clone(),
                    paths,
                    lock,
                    new_name: opened.file.is_some() && snapshot.is_none(),
                    file: opened.file,
                    last: snapshot.as_ref().map_or(0, |found| found.last),
                    len: snapshot.as_ref().map_or(0, |found| found.end),
                    header: snapshot.map(|found| found.header),
                    pending: None,
                    dirty: false,
                    suspect: false,
                    replaced: false,
                    used: Instant::now(),
                })
            }
            Err(error) => {
                lock.release(&layout);
                Err(error)
            }
        }
    }

    fn take_lock(&mut self, paths: &ThreadPaths) -> Result<ThreadLock> {
        let shared = Arc::clone(&self.shared);
        let owner = match &self.journal {
            Some(journal) => journal.owner(),
            None => self
                .journal
                .insert(Journal::create(&shared.layout)?)
                .owner(),
        };
        let deadline = Instant::now() + DYING;
        loop {
            match ThreadLock::take(&shared.layout, paths, owner)? {
                Attempt::Taken(lock) => return Ok(lock),
                Attempt::Left(dead) if Instant::now() > deadline => {
                    return Err(LogError::busy(format!(
                        "a dying process, of journal {dead}"
                    )));
                }
                Attempt::Left(_) => {
                    shared.recovered(recover(&shared.layout)?);
                    std::thread::yield_now();
                }
            }
        }
    }

    /// Lets the longest idle sessions go if there are too many.
    fn make_room(&mut self) -> Result<()> {
        if self.held.len() < self.shared.config.open_threads {
            return Ok(());
        }
        let mut by_use: Vec<_> = self
            .held
            .iter()
            .map(|(id, held)| (held.used, *id))
            .collect();
        by_use.sort();
        by_use.truncate((by_use.len() / 4).max(1));
        self.let_go(by_use.into_iter().map(|(_, id)| id).collect())
    }

    /// How long the committer may sleep.
    pub(super) fn nap(&self) -> Option<Duration> {
        if self.held.is_empty() {
            return None;
        }
        Some(self.next_look.saturating_duration_since(Instant::now()))
    }

    /// Lets sessions go that were not used for long.
    pub(super) fn let_idle_go(&mut self) {
        let now = Instant::now();
        let idle = self.shared.config.idle;
        if now < self.next_look {
            return;
        }
        self.next_look = now + LOOK.min(idle.max(Duration::from_millis(1)));
        let ids: Vec<ThreadId> = self
            .held
            .iter()
            .filter(|(_, held)| now.duration_since(held.used) >= idle)
            .map(|(id, _)| *id)
            .collect();
        if !ids.is_empty()
            && let Err(error) = self.let_go(ids)
        {
            tracing::warn!(%error, "idle sessions can't be let go yet");
        }
    }

    /// Lets sessions go. The journal holds nothing of them when others may have them.
    fn let_go(&mut self, ids: Vec<ThreadId>) -> Result<()> {
        self.checkpoint()?;
        for id in ids {
            if let Some(held) = self.held.remove(&id) {
                self.release(held);
            }
        }
        Ok(())
    }

    fn release(&self, held: Held) {
        let layout = &self.shared.layout;
        held.lock.release(layout);
        if held.header.is_none() {
            // Nothing was ever written: leave no trace. It stays where it is not empty.
            layout.disk.remove_dir(&held.paths.dir);
        }
    }

    /// Makes all session files durable and empties the journal.
    pub(super) fn checkpoint(&mut self) -> Result<()> {
        let suspects: Vec<ThreadId> = self
            .held
            .iter()
            .filter(|(_, held)| held.suspect)
            .map(|(id, _)| *id)
            .collect();
        for id in suspects {
            self.heal(&id)?;
        }
        let layout = self.shared.layout.clone();
        let mut dirs = BTreeSet::new();
        let mut failed = None;
        for held in self.held.values_mut() {
            let synced = held.flush(&layout).and_then(|()| match &held.file {
                Some(file) if held.dirty => {
                    Counters::add(&self.shared.counters.session_syncs, 1);
                    file.sync().inspect_err(|_| held.suspect = true)
                }
                _ => Ok(()),
            });
            match synced {
                Ok(()) => held.dirty = false,
                Err(error) => failed = failed.or(Some(error)),
            }
            if held.new_name {
                dirs.insert(held.paths.dir.clone());
            }
        }
        if let Some(error) = failed {
            return Err(error.into());
        }
        for dir in &dirs {
            layout.disk.sync_dir(dir)?;
        }
        if !dirs.is_empty() {
            layout.disk.sync_dir(&layout.threads())?;
        }
        for held in self.held.values_mut() {
            held.new_name = false;
        }
        match &mut self.journal {
            Some(journal) if !journal.is_empty() => {
                journal.clear()?;
                Counters::add(&self.shared.counters.checkpoints, 1);
            }
            _ => {}
        }
        Ok(())
    }

    /// Writes a session's part of our own journal into its file again, after a sync of it failed.
    fn heal(&mut self, id: &ThreadId) -> Result<()> {
        let (Some(journal), Some(held)) = (&mut self.journal, self.held.get_mut(id)) else {
            return Ok(());
        };
        if let Some(file) = &held.file {
            rewrite(&journal.scan()?, file, &held.key)?;
        }
        held.suspect = false;
        held.dirty = false;
        // The journal had those too.
        if let Some((position, bytes)) = held.pending.take() {
            held.len = position + bytes.len() as u64;
        }
        Ok(())
    }

    pub(super) fn roll_if_full(&mut self) {
        let full = self.shared.config.segment_bytes;
        if self
            .journal
            .as_ref()
            .is_none_or(|journal| journal.bytes() < full)
        {
            return;
        }
        if let Err(error) = self.checkpoint() {
            tracing::warn!(%error, "the journal can't be emptied and goes on growing");
            if let Some(journal) = &mut self.journal {
                journal.seal();
            }
        }
    }

    /// Settles everything and lets it go. What can't be settled stays in the journal, for whoever
    /// opens the log next.
    pub(super) fn close(&mut self) {
        if let Err(error) = self.checkpoint() {
            tracing::warn!(%error, "the log was closed with a journal left to recover");
            return;
        }
        for (_, held) in std::mem::take(&mut self.held) {
            self.release(held);
        }
        if let Some(journal) = self.journal.take()
            && let Err(error) = journal.close()
        {
            tracing::warn!(%error, "an empty journal is left behind");
        }
    }
}

struct Opened {
    file: Option<DiskFile>,
    /// None if the thread has no event.
    snapshot: Option<Snapshot>,
    torn: u64,
}

/// Opens a session file whose lock we have, and cuts its torn end off.
fn open_session(layout: &Layout, key: &ThreadKey, paths: &ThreadPaths) -> Result<Opened> {
    layout.disk.remove(&paths.aside)?;
    let Some(file) = layout.disk.open_rw(&paths.session)? else {
        return Ok(Opened {
            file: None,
            snapshot: None,
            torn: 0,
        });
    };
    let snapshot = Snapshot::of(&file, Some(key))?.filter(|found| found.last > 0);
    let end = snapshot.as_ref().map_or(0, |found| found.end);
    let torn = file.len()?.saturating_sub(end);
    if torn > 0 {
        tracing::warn!(
            file = %paths.session.display(),
            bytes = torn,
            "cut the torn end of a session file off"
        );
        file.set_len(end)?;
        file.sync()?;
    }
    Ok(Opened {
        file: Some(file),
        snapshot,
        torn,
    })
}
