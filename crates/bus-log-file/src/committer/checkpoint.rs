//! Making session files durable, so that the journal can go.

use std::collections::BTreeSet;

use bus_log::Result;

use super::threads::Threads;
use crate::journal::rewrite;
use crate::layout::ThreadId;
use crate::stats::Counters;

impl Threads {
    /// Makes all session files durable and empties the journal.
    pub(super) fn checkpoint(&mut self) -> Result<()> {
        // The journal may have the only copy of what was written into a file that is gone.
        let layout = self.shared.layout.clone();
        for held in self.held.values_mut().filter(|held| held.dirty) {
            held.look_again(&layout)?;
        }
        let suspects: Vec<ThreadId> = self
            .held
            .iter()
            .filter(|(_, held)| held.suspect)
            .map(|(id, _)| *id)
            .collect();
        for id in suspects {
            self.heal(&id)?;
        }
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

    /// Writes a session's part of our own journal into its file again, after a sync of it failed or
    /// somebody else changed it.
    pub(super) fn heal(&mut self, id: &ThreadId) -> Result<()> {
        let (Some(journal), Some(held)) = (&mut self.journal, self.held.get_mut(id)) else {
            return Ok(());
        };
        let scan = journal.scan()?;
        let key = held.key.clone();
        // The journal has what waits to be written too.
        held.adopt(&self.shared.layout, |file| rewrite(&scan, file, &key))
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
            held.release(&self.shared.layout);
        }
        if let Some(journal) = self.journal.take()
            && let Err(error) = journal.close()
        {
            tracing::warn!(%error, "an empty journal is left behind");
        }
    }
}
