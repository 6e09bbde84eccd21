//! Making session files durable, so that the journal can go.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Instant;

use bus_log::{LogError, Result, ThreadKey};

use super::held::Held;
use super::keeper::{Failure, Job, Outcome};
use super::owned::Files;
use super::whole::Whole;
use super::{Shared, Writer};
use crate::journal::{Durable, Rewrite};
use crate::layout::ThreadId;
use crate::lock::MOMENT;
use crate::stats::Counters;

/// Ended segments whose session files are not durable yet, before commits wait for the keeper.
pub(super) const MOST_ENDED: usize = 4;

/// Sessions whose files can't be made whole now, and why.
pub(super) type Bad = Vec<(ThreadId, LogError)>;

impl Whole<'_> {
    /// Makes all session files durable and empties the journal: no byte of it stays. Whoever takes a session
    /// that we let go may erase it, and cleans no journal but its own.
    ///
    /// A session whose file can't be made whole stops no other: what the journal has of it stays, alone. It must not be
    /// let go.
    pub(super) fn checkpoint(&mut self) -> Result<()> {
        if let Some(journal) = &mut self.writer.journal {
            journal.keep_lock(MOMENT)?;
        }
        let bad = match self.sync_files() {
            Ok(bad) => bad,
            Err(error) => {
                self.shared.try_again_soon(self.files);
                return Err(error);
            }
        };
        if !bad.is_empty() {
            self.shared.try_again_soon(self.files);
        }
        let keys = self.shared.keys(self.files, bad);
        if let Some(journal) = &mut self.writer.journal {
            let emptied = u64::from(!journal.is_empty() && keys.is_empty());
            journal.clear_but(&keys)?;
            self.writer.ended.clear();
            self.writer.grows = false;
            Counters::add(&self.shared.counters.checkpoints, emptied);
        }
        Ok(())
    }

    /// Makes all session files durable that can be made whole.
    fn sync_files(&mut self) -> Result<Bad> {
        // An error of a sync is told once: to the keeper, if that is at it.
        self.shared.keeper.wait(&self.shared.layout);
        // No next job for it: what that would sync is to be durable before this returns.
        self.shared.note_kept(self.writer, self.files);
        let bad = self.shared.mend(self.writer, self.files);
        let layout = &self.shared.layout;
        let mut dirs = BTreeSet::new();
        let mut failed = None;
        let whole = |held: &&mut Held| !held.is_behind();
        for held in self.files.held.values_mut().filter(whole) {
            match sync_file(self.shared, held) {
                Ok(()) => {
                    held.dirty = false;
                    held.unsynced = false;
                }
                Err(error) => failed = failed.or(Some(error)),
            }
            if held.new_name {
                dirs.insert(held.paths.dir.clone());
            }
        }
        if let Some(error) = failed {
            return Err(error.into());
        }
        layout.sync_names(&dirs, !dirs.is_empty())?;
        for held in self.files.held.values_mut().filter(whole) {
            held.new_name = false;
        }
        Ok(bad)
    }

    /// Writes a session's part of our own journal into its file again, after a sync of it failed or
    /// somebody else changed it.
    pub(super) fn heal(&mut self, id: &ThreadId) -> Result<()> {
        self.plan.sessions.remove(id);
        let bad = heal(self.shared, self.writer, self.files, &[*id]);
        bad.into_iter()
            .next()
            .map_or(Ok(()), |(_, error)| Err(error))
    }

    /// Makes everything durable and lets it go. What can't be stays in the journal, for whoever opens the log next.
    pub(super) fn close(&mut self) {
        let done = self.checkpoint();
        if let Err(error) = &done {
            tracing::warn!(%error, "the log was closed with a journal left to recover");
        }
        self.plan.sessions.clear();
        let mut clean = done.is_ok();
        for (_, mut held) in std::mem::take(&mut self.files.held) {
            if held.is_behind() {
                clean = false;
                let file = held.paths.session.display();
                tracing::warn!(%file, "a session file was left behind its journal");
            } else if done.is_ok() {
                // A name that stays is soon that of a journal which is gone.
                let _ = held.release(&self.shared.layout);
            }
        }
        let journal = self.writer.journal.take();
        if clean
            && let Some(journal) = journal
            && let Err(error) = journal.close()
        {
            tracing::warn!(%error, "an empty journal is left behind");
        }
    }
}

impl Shared {
    /// Ends the segment if it is full. All that was synced must be shown.
    pub(super) fn roll_if_full(&self, writer: &mut Writer, files: &mut Files) {
        let full = self.config.segment_bytes;
        let Some(journal) = &mut writer.journal else {
            return;
        };
        if journal.bytes() < full {
            return;
        }
        match journal.roll() {
            Ok(ended) => writer.ended.push(ended),
            // It was synced before, and is sealed all the same.
            Err(error) => tracing::warn!(%error, "a segment of the journal could not be ended"),
        }
        self.keep(writer, files);
    }

    /// Has the session files made durable that the ended segments are about, if the keeper is free.
    pub(super) fn keep(&self, writer: &mut Writer, files: &mut Files) {
        if let Some(&up_to) = writer.ended.last() {
            self.keep_up_to(writer, files, up_to);
        }
    }

    /// Has all session files made durable, so that segments up to a number can go, if the keeper is free.
    pub(super) fn keep_up_to(&self, writer: &mut Writer, files: &mut Files, up_to: u64) {
        if !self.keeper.is_free() {
            return;
        }
        let bad = self.mend(writer, files);
        if !bad.is_empty() {
            self.try_again_soon(files);
        }
        let behind = bad.iter().map(|(id, _)| *id).collect();
        let keys = self.keys(files, bad);
        let journal = writer.journal.as_mut();
        let locked = journal.map_or(Ok(()), |journal| journal.keep_lock(MOMENT));
        // Where no segment is to go, all that the journal has of them stays where it is.
        let carried = if up_to > 0 { &keys[..] } else { &[] };
        if let Err(error) = locked.and_then(|()| self.carry(writer, carried)) {
            tracing::warn!(%error, "the journal can't be emptied and goes on growing");
            writer.grows = true;
            self.try_again_soon(files);
            return;
        }
        let mut job = Job {
            up_to,
            carried: behind,
            ..Job::default()
        };
        for (id, held) in files.held.iter().filter(|(_, held)| !held.is_behind()) {
            if held.dirty
                && let Some(file) = &held.file
            {
                job.files.push((*id, Arc::clone(file), held.len));
            }
            if held.new_name {
                job.dirs.insert(held.paths.dir.clone());
                job.new_names.push(*id);
            }
        }
        for (id, ..) in &job.files {
            if let Some(held) = files.held.get_mut(id) {
                held.dirty = false;
                held.unsynced = false;
            }
        }
        self.keeper.start(job);
    }

    /// Makes every session file whole that is not. Returns those that can't be.
    pub(super) fn mend(&self, writer: &mut Writer, files: &mut Files) -> Bad {
        let mut bad = Bad::new();
        // The journal may have the only copy of what was written into a file that is gone, or is just to be.
        let written = |held: &Held| held.dirty || held.pending.is_some();
        for (id, held) in files.held.iter_mut().filter(|(_, held)| written(held)) {
            if let Err(error) = held.look_again(&self.layout) {
                held.suspect();
                bad.push((*id, error));
            }
        }
        let sound = |bad: &Bad, id: &ThreadId| bad.iter().all(|(other, _)| other != id);
        let suspects = files.held.iter().filter(|(_, held)| held.suspect);
        let suspects = suspects.map(|(id, _)| *id).filter(|id| sound(&bad, id));
        let suspects: Vec<ThreadId> = suspects.collect();
        bad.extend(heal(self, writer, files, &suspects));
        for (id, held) in &mut files.held {
            if sound(&bad, id)
                && let Err(error) = held.flush(&self.layout)
            {
                if !held.is_behind() {
                    // Its name is not durable, and nothing else tells so.
                    held.suspect();
                }
                bad.push((*id, error.into()));
            }
        }
        bad
    }

    /// The keys of sessions that can't be made whole, said to be so.
    fn keys(&self, files: &Files, bad: Bad) -> Vec<ThreadKey> {
        let mut keys = Vec::new();
        for (id, error) in bad {
            if let Some(held) = files.held.get(&id) {
                tracing::warn!(%error, "a session file can't be made whole; the journal keeps what it has of it");
                keys.push(held.key.clone());
            }
        }
        keys
    }

    /// Writes what the journal has of some sessions once more, so that the segments that ended can go.
    fn carry(&self, writer: &mut Writer, keys: &[ThreadKey]) -> Result<()> {
        let Some(journal) = writer.journal.as_mut().filter(|_| !keys.is_empty()) else {
            return Ok(());
        };
        let carried = journal.carry(keys);
        if carried.is_err() {
            // A sync that failed was theirs too.
            writer.unwrite_owed();
        }
        carried
    }

    /// The keeper is done with a job.
    pub(super) fn note_done(&self, writer: &mut Writer, files: &mut Files) {
        if std::mem::take(&mut files.idle_waits) {
            // Idle sessions come first: there may always be a next segment.
            self.note_kept(writer, files);
            self.queue.look_sooner(Instant::now());
        } else {
            self.apply(writer, files);
        }
    }

    /// Takes note of what the keeper has done, and gives it the next job.
    pub(super) fn apply(&self, writer: &mut Writer, files: &mut Files) {
        if self.note_kept(writer, files) {
            self.keep(writer, files);
        }
    }

    /// Takes note of the files that the keeper could not make durable up to now: what was written into them may be lost.
    pub(super) fn note_failed(&self, files: &mut Files) {
        for (id, failure) in self.keeper.failed() {
            let Some(held) = files.held.get_mut(&id) else {
                continue;
            };
            held.dirty = true;
            let file = held.paths.session.display();
            match failure {
                Failure::Sync(error) => {
                    tracing::warn!(%error, "a session file is not durable; its journal is kept");
                    held.suspect();
                }
                Failure::Gone => {
                    tracing::warn!(%file, "a session file was removed, replaced or cut");
                    held.renew_view();
                }
            }
        }
    }

    /// Takes note of what the keeper has done. True if that was a checkpoint.
    pub(super) fn note_kept(&self, writer: &mut Writer, files: &mut Files) -> bool {
        if self.queue.failed() {
            // Who panicked while showing has left it half done: the journal keeps all that it is about.
            return false;
        }
        let outcome = self.keeper.outcome();
        self.note_failed(files);
        let Some(Outcome {
            job,
            failed,
            dirs_failed,
            panicked,
        }) = outcome
        else {
            return false;
        };
        Counters::add(&self.counters.session_syncs, job.files.len() as u64);
        writer.grows = panicked || failed || dirs_failed.is_some();
        for (id, ..) in &job.files {
            let Some(held) = files.held.get_mut(id) else {
                continue;
            };
            // None of them is known to be durable. Whoever panicked closes the log, now or soon.
            held.dirty |= panicked;
            // Another sync of it may have failed meanwhile, and told what this one was not told any more.
            writer.grows |= held.suspect;
        }
        // What the journal has of these is needed, and may stand in a segment that was to go.
        let needed = |(id, held): (&ThreadId, &Held)| {
            (held.suspect || held.unsynced || held.replaced) && !job.carried.contains(id)
        };
        writer.grows |= job.up_to > 0 && files.held.iter().any(needed);
        if let Some(error) = dirs_failed {
            tracing::warn!(%error, "a session file's name is not durable; its journal is kept");
        }
        if writer.grows {
            // It is tried again by itself, and when the next segment is full.
            self.try_again_soon(files);
            return false;
        }
        for id in &job.new_names {
            if let Some(held) = files.held.get_mut(id) {
                held.new_name = false;
            }
        }
        writer.ended.retain(|ended| *ended > job.up_to);
        if let Some(journal) = &mut writer.journal {
            journal.retire(job.up_to);
        }
        // Without a file all of it was carried on.
        let made = job.up_to > 0 && !job.files.is_empty();
        Counters::add(&self.counters.checkpoints, u64::from(made));
        true
    }
}

/// Brings a session file up to date and makes it durable.
fn sync_file(shared: &Shared, held: &mut Held) -> crate::fs::Result<()> {
    held.flush(&shared.layout)?;
    match &held.file {
        Some(file) if held.dirty => {
            Counters::add(&shared.counters.session_syncs, 1);
            let synced = file.sync();
            if synced.is_err() {
                held.suspect();
            }
            synced
        }
        _ => Ok(()),
    }
}

/// Writes what the journal has of these sessions into their files. Returns those for which that fails. While the keeper is
/// at work nothing is synced here: all who write would wait for what it may be waiting for.
pub(super) fn heal(shared: &Shared, writer: &Writer, files: &mut Files, ids: &[ThreadId]) -> Bad {
    let Some(journal) = writer.journal.as_ref().filter(|_| !ids.is_empty()) else {
        return Bad::new();
    };
    let key = |id: &ThreadId| files.held.get(id).map(|held| (*id, held.key.clone()));
    let (ids, keys): (Vec<_>, Vec<_>) = ids.iter().filter_map(key).unzip();
    let home = match journal.scan().and_then(|scan| Rewrite::of(scan, &keys)) {
        Ok(home) => home,
        Err(error) => return ids.into_iter().map(|id| (id, error.clone())).collect(),
    };
    let durable = match shared.keeper.is_free() {
        true => Durable::Now,
        false => Durable::Later,
    };
    let mut bad = Bad::new();
    for (index, (id, key)) in ids.into_iter().zip(&keys).enumerate() {
        if let Some(held) = files.held.get_mut(&id)
            // The journal has what waits to be written too.
            && let Err(error) = held.adopt(&shared.layout, durable, |file| {
                home.write(index, key, file, durable)
            })
        {
            bad.push((id, error));
        }
    }
    bad
}
