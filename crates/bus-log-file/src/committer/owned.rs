//! The sessions that this process owns.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bus_log::{LogError, LogErrorKind, Result, ThreadKey};

use super::held::Held;
use super::plan::Planned;
use super::whole::Whole;
use crate::journal::{Journal, RecoveryReport, recover};
use crate::layout::{Layout, ThreadId, ThreadPaths};
use crate::lock::{self, Alive, Attempt, ThreadLock};
use crate::name::{IdMap, Name};
use crate::session_file::Snapshot;

/// How often idle sessions are looked for at most.
pub(super) const LOOK: Duration = Duration::from_secs(1);

/// How long to try to take over from a process that is dying.
const DYING: Duration = Duration::from_secs(2);

/// The sessions that this process owns. Their files are written under this lock.
#[derive(Debug, Default)]
pub(super) struct Files {
    pub(super) held: IdMap<Held>,
    turns: u64,
    /// Other owners, which need not be looked at for a while.
    alive: Alive,
    /// Something was refused, and is tried again after so long.
    pub(super) again: Option<Duration>,
    /// Idle sessions wait for the keeper.
    pub(super) idle_waits: bool,
    /// It was given what was written up to then, so that little is left to be synced when they are let go.
    idle_kept: bool,
}

impl Files {
    /// Counts one more use of a session.
    pub(super) fn turn(&mut self) -> u64 {
        self.turns += 1;
        self.turns
    }

    /// Sessions that were not used for so long, and can be let go.
    pub(super) fn idle(&self, idle: Duration) -> Vec<ThreadId> {
        let now = Instant::now();
        let idle = |held: &Held| !held.is_behind() && now.duration_since(held.used) >= idle;
        let ids = self.held.iter().filter(|(_, held)| idle(held));
        ids.map(|(id, _)| *id).collect()
    }
}

impl Whole<'_> {
    pub(super) fn holds(&self, id: &ThreadId) -> bool {
        self.files.held.contains_key(id)
    }

    /// Looks a session up that is not held, without taking it. What a dead process left of it in a journal is brought home
    /// first: the session file may be behind that, or missing, or damaged. Whoever died with the session left its lock.
    pub(super) fn look_up(&mut self, name: &Name) -> Result<Option<Snapshot>> {
        let layout = &self.shared.layout;
        match Snapshot::open(layout, &name.key) {
            Err(damage) if damage.kind() == LogErrorKind::Corrupt => {}
            Ok(found) if !layout.disk.exists(&layout.thread(&name.key).lock)? => {
                return Ok(found.map(|(_, found)| found));
            }
            found => drop(found?),
        }
        self.look_up_in_journals(name)
    }

    /// As [`look_up`](Self::look_up), whatever became of its lock.
    pub(super) fn look_up_in_journals(&mut self, name: &Name) -> Result<Option<Snapshot>> {
        self.bring_home()?;
        let found = Snapshot::open(&self.shared.layout, &name.key)?;
        Ok(found.map(|(_, found)| found))
    }

    /// Recovers the journals of dead processes, unless another process is at it.
    pub(super) fn bring_home(&mut self) -> Result<()> {
        if let Some(journal) = &mut self.writer.journal {
            // Without its lock it would be taken for one of those.
            journal.keep_lock(lock::MOMENT)?;
        }
        let report = recover(&self.shared.layout, lock::MOMENT)?;
        self.shared.recovered(report);
        Ok(())
    }

    /// Makes a session ready to be planned for.
    pub(super) fn prepare(&mut self, name: &Name, now: Instant) -> Result<()> {
        let held = self.hold_whole(&name.key, name.id)?;
        let planned = Planned::of(held, now);
        self.plan.sessions.insert(name.id, planned);
        Ok(())
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
            if let Some(at) = held.used.checked_add(pause(self.shared.config.idle)) {
                self.shared.queue.look_by(at);
            }
            self.files.held.insert(id, held);
        }
        if let Some(held) = self.files.held.get_mut(&id)
            && held.is_stray()?
        {
            self.regain(&id)?;
        }
        if self.files.held.get(&id).is_some_and(|held| held.suspect)
            && let Err(error) = self.heal(&id)
        {
            self.shared.try_again_soon(self.files);
            return Err(error);
        }
        let layout = self.shared.layout.clone();
        let turn = self.files.turn();
        match self.files.held.get_mut(&id) {
            Some(held) => {
                held.used = Instant::now();
                held.turn = turn;
                held.flush(&layout)?;
                Ok(held)
            }
            None => Err(LogError::internal("a session was let go while it was used")),
        }
    }

    /// Owns a session whose file can't be read, so that `work` can replace that.
    pub(super) fn hold_unread(
        &mut self,
        name: &Name,
        work: impl FnOnce(&Layout, &mut Held) -> Result<()>,
    ) -> Result<()> {
        self.make_room()?;
        let layout = self.shared.layout.clone();
        let paths = layout.thread(&name.key);
        let lock = self.take_lock(&paths)?;
        let mut held = Held::open_unread(&layout, &name.key, paths, lock)?;
        let done = work(&layout, &mut held);
        if done.is_ok() || held.replaced {
            held.turn = self.files.turn();
            let look = Instant::now() + pause(self.shared.config.idle);
            self.shared.queue.look_by(look);
            self.files.held.insert(name.id, held);
        } else {
            // Where that fails too, it is ours again with the next attempt.
            let _ = held.release(&layout);
        }
        done
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

    /// Takes the lock again of a session whose lock somebody removed.
    ///
    /// # Errors
    ///
    /// `Busy` if another process took it meanwhile, as long as it has it.
    fn regain(&mut self, id: &ThreadId) -> Result<()> {
        self.plan.sessions.remove(id);
        let Some(paths) = self.files.held.get(id).map(|held| held.paths.clone()) else {
            return Ok(());
        };
        let lock = self.take_lock(&paths)?;
        match self.files.held.get_mut(id) {
            Some(held) => held.regain(&self.shared.layout, lock),
            None => Ok(()),
        }
    }

    fn take_lock(&mut self, paths: &ThreadPaths) -> Result<ThreadLock> {
        let shared = self.shared;
        let owner = match &mut self.writer.journal {
            Some(journal) => {
                journal.keep_lock(lock::MOMENT)?;
                journal.owner()
            }
            None => self
                .writer
                .journal
                .insert(Journal::create(
                    &shared.layout,
                    shared.config.segment_bytes,
                    Arc::clone(&shared.counters.journal),
                )?)
                .owner(),
        };
        let deadline = Instant::now() + DYING;
        loop {
            match ThreadLock::take(&shared.layout, paths, owner, &mut self.files.alive)? {
                Attempt::Taken(lock) => return Ok(lock),
                Attempt::Left(dead) if Instant::now() > deadline => {
                    return Err(LogError::busy(format!(
                        "a dying process, of journal {dead}"
                    )));
                }
                Attempt::Left(_) => {
                    shared.recovered(recover(&shared.layout, lock::MOMENT)?);
                    std::thread::yield_now();
                }
            }
        }
    }

    /// Lets the longest idle sessions go if there are too many.
    fn make_room(&mut self) -> Result<()> {
        if self.files.held.len() < self.shared.config.open_threads {
            return Ok(());
        }
        // Those that can't be let go are held beyond the number.
        let mut by_use: Vec<_> = self
            .files
            .held
            .iter()
            .filter(|(_, held)| !held.is_behind())
            .map(|(id, held)| (held.turn, *id))
            .collect();
        // Nor are those that a group may need together: each would be let go for the next, and none ever be planned for.
        let spare = by_use.len().saturating_sub(self.shared.most_parts());
        if spare == 0 {
            return Ok(());
        }
        by_use.sort();
        by_use.truncate((by_use.len() / 4).max(1).min(spare));
        self.let_go(by_use.into_iter().map(|(_, id)| id).collect())
    }

    /// Lets sessions go that were not used for long, once the keeper has made their files durable while others commit. The
    /// keeper is not waited for: the disk may hang. Says when to look again.
    pub(super) fn let_idle_go(&mut self) -> Option<Instant> {
        self.shared.note_kept(self.writer, self.files);
        let mut unlocked = false;
        if let Some(journal) = &mut self.writer.journal
            && let Err(error) = journal.keep_lock(Duration::ZERO)
        {
            tracing::warn!(%error, "the journal's lock can't be taken again");
            unlocked = true;
        }
        let idle = self.shared.config.idle;
        let now = Instant::now();
        let ids = self.files.idle(idle);
        let mut next = pause(idle);
        if ids.is_empty() {
            self.files.idle_kept = false;
            if !self.writer.grows {
                self.shared.keep(self.writer, self.files);
            }
        } else if !self.is_kept() {
            self.files.idle_waits = true;
            return Some(now + LOOK);
        } else if let Err(error) = self.let_go(ids) {
            tracing::warn!(%error, "idle sessions can't be let go yet");
            next = LOOK;
        }
        if unlocked {
            // Whoever opens the log waits until it is.
            return Some(now + LOOK);
        }
        // Those that are behind too: nobody else looks once they are whole.
        let used = self.files.held.values().map(|held| held.used);
        let soonest = used.filter_map(|used| used.checked_add(idle)).min();
        soonest.map(|soonest| soonest.max(now + next))
    }

    /// Whether the keeper has made session files durable, so that sessions may be let go; gives it those if it is free.
    fn is_kept(&mut self) -> bool {
        if !self.shared.keeper.is_free() {
            return false;
        }
        let kept = std::mem::take(&mut self.files.idle_kept);
        let mut held = self.files.held.values();
        if kept || !held.any(|held| held.dirty && !held.is_behind()) {
            return true;
        }
        let up_to = self.writer.ended.last().copied().unwrap_or(0);
        self.shared.keep_up_to(self.writer, self.files, up_to);
        self.files.idle_kept = !self.shared.keeper.is_free();
        !self.files.idle_kept
    }

    /// Lets sessions go. The journal holds nothing of them when others may have them.
    fn let_go(&mut self, ids: Vec<ThreadId>) -> Result<()> {
        self.checkpoint()?;
        let mut refused = None;
        for id in ids {
            if self.files.held.get(&id).is_some_and(Held::is_behind) {
                continue;
            }
            self.plan.sessions.remove(&id);
            let Some(held) = self.files.held.get_mut(&id) else {
                continue;
            };
            match held.release(&self.shared.layout) {
                Ok(()) => drop(self.files.held.remove(&id)),
                Err(error) => refused = refused.or(Some(error)),
            }
        }
        refused.map_or(Ok(()), |error| Err(error.into()))
    }
}

/// How long to wait before looking for sessions that are idle for `idle`.
fn pause(idle: Duration) -> Duration {
    LOOK.min(idle).max(Duration::from_millis(1))
}
