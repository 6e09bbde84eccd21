//! Making session files durable, so that the journal can go.

use std::collections::BTreeSet;
use std::sync::Arc;

use bus_log::Result;

use super::held::Held;
use super::keeper::{Failure, Job, Outcome};
use super::owned::{Files, Whole};
use super::{Shared, Writer};
use crate::journal::{Journal, Rewrite};
use crate::layout::ThreadId;
use crate::stats::Counters;

/// Ended segments whose session files are not durable yet, before commits wait for the keeper.
pub(super) const MOST_ENDED: usize = 4;

impl Whole<'_> {
    /// Makes all session files durable and empties the journal: no byte of it stays. Whoever takes a session
    /// that we let go may erase it, and cleans no journal but its own.
    pub(super) fn checkpoint(&mut self) -> Result<()> {
        if let Some(journal) = &mut self.writer.journal {
            journal.keep_lock()?;
        }
        if let Err(error) = self.settle_files() {
            self.shared.try_again_soon(self.files);
            return Err(error);
        }
        if let Some(journal) = &mut self.writer.journal {
            let emptied = u64::from(!journal.is_empty());
            journal.clear()?;
            self.writer.ended.clear();
            self.writer.grows = false;
            Counters::add(&self.shared.counters.checkpoints, emptied);
        }
        Ok(())
    }

    /// Makes all session files durable.
    fn settle_files(&mut self) -> Result<()> {
        // An error of a sync is told once: to the keeper, if that is at it.
        self.shared.keeper.wait(&self.shared.layout.disk);
        // No next job for it: what that would sync is to be durable before this returns.
        self.shared.note_kept(self.writer, self.files);
        self.shared.mend(self.writer, self.files)?;
        let layout = &self.shared.layout;
        let mut dirs = BTreeSet::new();
        let mut failed = None;
        for held in self.files.held.values_mut() {
            match settle(self.shared, held) {
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
        for held in self.files.held.values_mut() {
            held.new_name = false;
        }
        Ok(())
    }

    /// Writes a session's part of our own journal into its file again, after a sync of it failed or
    /// somebody else changed it.
    pub(super) fn heal(&mut self, id: &ThreadId) -> Result<()> {
        self.plan.sessions.remove(id);
        heal(self.shared, self.writer, self.files, &[*id])
    }

    /// Settles everything and lets it go. What can't be settled stays in the journal, for whoever
    /// opens the log next.
    pub(super) fn close(&mut self) {
        let settled = self.checkpoint();
        if let Err(error) = &settled {
            tracing::warn!(%error, "the log was closed with a journal left to recover");
        }
        self.plan.sessions.clear();
        for (_, mut held) in std::mem::take(&mut self.files.held) {
            if settled.is_ok() {
                // A name that stays is soon that of a journal which is gone.
                let _ = held.release(&self.shared.layout);
            }
        }
        let journal = self.writer.journal.take();
        if settled.is_ok()
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
    fn keep(&self, writer: &mut Writer, files: &mut Files) {
        let Some(&up_to) = writer.ended.last() else {
            return;
        };
        if !self.keeper.is_free() {
            return;
        }
        let locked = writer.journal.as_mut().map_or(Ok(()), Journal::keep_lock);
        if let Err(error) = locked.and_then(|()| self.mend(writer, files)) {
            tracing::warn!(%error, "the journal can't be emptied and goes on growing");
            writer.grows = true;
            self.try_again_soon(files);
            return;
        }
        let mut job = Job {
            up_to,
            ..Job::default()
        };
        for (id, held) in &mut files.held {
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
        if !job.dirs.is_empty() {
            job.dirs.insert(self.layout.threads());
        }
        for (id, ..) in &job.files {
            if let Some(held) = files.held.get_mut(id) {
                held.dirty = false;
            }
        }
        self.keeper.start(job);
    }

    /// Makes every session file whole that is not.
    pub(super) fn mend(&self, writer: &mut Writer, files: &mut Files) -> Result<()> {
        // The journal may have the only copy of what was written into a file that is gone.
        for held in files.held.values_mut().filter(|held| held.dirty) {
            held.look_again(&self.layout)?;
        }
        let suspects = files.held.iter().filter(|(_, held)| held.suspect);
        let suspects: Vec<ThreadId> = suspects.map(|(id, _)| *id).collect();
        heal(self, writer, files, &suspects)?;
        for held in files.held.values_mut() {
            held.flush(&self.layout)?;
        }
        Ok(())
    }

    /// Takes note of what the keeper has done, and gives it the next job.
    pub(super) fn apply(&self, writer: &mut Writer, files: &mut Files) {
        if self.note_kept(writer, files) {
            self.keep(writer, files);
        }
    }

    /// Takes note of what the keeper has done. True if that was a checkpoint.
    fn note_kept(&self, writer: &mut Writer, files: &mut Files) -> bool {
        let Some(Outcome {
            job,
            failed,
            dirs_failed,
            panicked,
        }) = self.keeper.outcome()
        else {
            return false;
        };
        Counters::add(&self.counters.session_syncs, job.files.len() as u64);
        writer.grows = panicked || !failed.is_empty() || dirs_failed.is_some();
        for (id, error) in failed {
            let Some(held) = files.held.get_mut(&id) else {
                continue;
            };
            held.dirty = true;
            let file = held.paths.session.display();
            match error {
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
        Counters::add(&self.counters.checkpoints, 1);
        true
    }
}

/// Brings a session file up to date and makes it durable.
fn settle(shared: &Shared, held: &mut Held) -> crate::fs::Result<()> {
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

fn heal(shared: &Shared, writer: &mut Writer, files: &mut Files, ids: &[ThreadId]) -> Result<()> {
    let Some(journal) = writer.journal.as_ref().filter(|_| !ids.is_empty()) else {
        return Ok(());
    };
    let key = |id| files.held.get(id).map(|held| (id, held.key.clone()));
    let (ids, keys): (Vec<_>, Vec<_>) = ids.iter().filter_map(key).unzip();
    let home = Rewrite::of(journal.scan()?, &keys)?;
    for (index, (id, key)) in ids.into_iter().zip(&keys).enumerate() {
        if let Some(held) = files.held.get_mut(id) {
            // The journal has what waits to be written too.
            held.adopt(&shared.layout, |file| home.write(index, key, file))?;
        }
    }
    Ok(())
}
