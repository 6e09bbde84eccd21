//! The sessions that this process owns.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bus_log::{LogError, Result, ThreadKey};

use super::Shared;
use super::held::Held;
use crate::journal::{Journal, RecoveryReport, recover};
use crate::layout::{ThreadId, ThreadPaths};
use crate::lock::{Attempt, ThreadLock};

/// How often idle sessions are looked for at most.
const LOOK: Duration = Duration::from_secs(1);

/// How long to try to take over from a process that is dying.
const DYING: Duration = Duration::from_secs(2);

/// Everything the committer's thread owns.
pub(super) struct Threads {
    pub(super) shared: Arc<Shared>,
    pub(super) held: HashMap<ThreadId, Held>,
    /// Made with the first session that is written.
    pub(super) journal: Option<Journal>,
    next_look: Instant,
    turns: u64,
}

impl Threads {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self {
            shared,
            held: HashMap::new(),
            journal: None,
            next_look: Instant::now(),
            turns: 0,
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

    /// The session as [`hold`](Self::hold) gives it, its file looked at again.
    pub(super) fn hold_whole(&mut self, key: &ThreadKey, id: ThreadId) -> Result<&mut Held> {
        let layout = self.shared.layout.clone();
        self.hold(key, id)?.look_again(&layout)?;
        self.hold(key, id)
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
                self.turns += 1;
                held.turn = self.turns;
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
        let (held, torn_session_bytes) = Held::open(&layout, key, paths, lock)?;
        self.shared.recovered(RecoveryReport {
            torn_session_bytes,
            ..RecoveryReport::default()
        });
        Ok(held)
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
            .map(|(id, held)| (held.turn, *id))
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
        if now < self.next_look {
            return;
        }
        let idle = self.shared.config.idle;
        let ids: Vec<ThreadId> = self
            .held
            .iter()
            .filter(|(_, held)| now.duration_since(held.used) >= idle)
            .map(|(id, _)| *id)
            .collect();
        let mut pause = LOOK.min(idle).max(Duration::from_millis(1));
        if !ids.is_empty()
            && let Err(error) = self.let_go(ids)
        {
            tracing::warn!(%error, "idle sessions can't be let go yet");
            pause = LOOK;
        }
        let soonest = self
            .held
            .values()
            .filter_map(|held| held.used.checked_add(idle))
            .min();
        self.next_look = soonest.unwrap_or(now).max(now + pause);
    }

    /// Lets sessions go. The journal holds nothing of them when others may have them.
    fn let_go(&mut self, ids: Vec<ThreadId>) -> Result<()> {
        self.checkpoint()?;
        for id in ids {
            if let Some(held) = self.held.remove(&id) {
                held.release(&self.shared.layout);
            }
        }
        Ok(())
    }
}
