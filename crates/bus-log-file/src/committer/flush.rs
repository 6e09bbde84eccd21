//! Making true what was acknowledged before it was durable.

use std::time::{Duration, Instant};

use super::group::Group;
use super::plan::Plan;
use super::{Shared, Writer};
use crate::config::Durability;
use crate::fs;
use crate::journal::Journal;
use crate::stats::Counters;

/// How long to wait after a flush that failed.
const FLUSH_AGAIN: Duration = Duration::from_millis(100);

/// A group that was told before it was durable.
#[derive(Debug)]
pub(super) struct Owed {
    group: Group,
    /// It is in the segment that the next sync is for.
    written: bool,
}

impl Owed {
    pub(super) const fn written(group: Group) -> Self {
        let written = true;
        Self { group, written }
    }
}

impl Shared {
    /// Makes durable and shows what was acknowledged, while others plan.
    pub(super) fn flush(&self, writer: &mut Writer) -> fs::Result<()> {
        if self.config.durability == Durability::Sync {
            return Ok(());
        }
        let mut plan = self.plan();
        collect(writer, &mut plan);
        drop(plan);
        let flushed = self.make_true(writer);
        let noted = self.note_flush(&mut self.plan(), flushed);
        say(&noted);
        noted
    }

    /// As [`flush`](Self::flush), while nobody plans: nothing is acknowledged that is not durable when this
    /// returns.
    pub(super) fn flush_under(&self, writer: &mut Writer, plan: &mut Plan) -> fs::Result<()> {
        if plan.open.is_empty() && writer.owed.is_empty() && plan.refusal.is_none() {
            return Ok(());
        }
        let _busy = self.busy();
        collect(writer, plan);
        let flushed = self.make_true(writer);
        let noted = self.note_flush(plan, flushed);
        // Said with the plan locked, but for long: whoever hears of it and appends does not wait for the plan.
        say(&noted);
        noted
    }

    /// Whether what was acknowledged is to be flushed before more is.
    pub(super) fn must_flush(&self, writer: &Writer, plan: &Plan) -> bool {
        plan.refusal.is_some()
            || self.is_behind()
            || plan.open.parts.len() >= self.most_parts()
            || writer.owed.iter().any(|owed| !owed.written)
    }

    fn note_flush(&self, plan: &mut Plan, flushed: fs::Result<()>) -> fs::Result<()> {
        self.behind.count_round(flushed.is_err());
        self.wake_readers();
        if flushed.is_err() {
            self.queue.want_flush(Some(Instant::now() + FLUSH_AGAIN));
        }
        plan.refusal = flushed.as_ref().err().map(fs::DiskError::again);
        flushed
    }

    /// Writes, syncs and shows what is owed.
    fn make_true(&self, writer: &mut Writer) -> fs::Result<()> {
        let mut owed = std::mem::take(&mut writer.owed);
        if let Err(error) = self.write_owed(writer, &mut owed) {
            writer.owed = owed;
            writer.unwrite_owed();
            return Err(error);
        }
        let full = self.is_full(writer);
        let mut files = self.files();
        for mut one in owed {
            self.show(&mut files, &mut one.group);
            let failed = one.group.parts.iter().filter(|part| part.failed.is_some());
            for part in failed {
                self.behind.stuck(part.name.id);
            }
            // What could not be shown is durable: its session alone waits for its file, which is tried again.
            self.behind.done(one.group.events, one.group.bytes);
        }
        if full {
            self.roll_if_full(writer, &mut files);
        }
        self.note_behind(&files);
        Ok(())
    }

    fn write_owed(&self, writer: &mut Writer, owed: &mut [Owed]) -> fs::Result<()> {
        if writer.journal.as_ref().is_some_and(Journal::is_lost) {
            // Frames that were told are lost. This is the sync that says so, and frees the journal.
            let told = self.sync(writer);
            tracing::warn!(error = ?told.err(), "acknowledged events are written to the journal once more");
            for one in &mut *owed {
                one.written = false;
            }
        }
        if owed.is_empty() {
            return Ok(());
        }
        for one in owed.iter_mut().filter(|one| !one.written) {
            self.write(writer, &one.group)?;
            self.count(&one.group);
            one.written = true;
        }
        self.sync(writer)
    }

    /// One of the log's threads flushes.
    pub(super) fn flush_now(&self) -> bool {
        let mut lead = self.lead();
        if self.queue.failed() {
            return false;
        }
        self.wait_for_room(&mut lead);
        self.flush(&mut lead).is_ok()
    }

    /// Flushes once more before the log is closed. What can't be made durable is lost, and said to be.
    pub(super) fn flush_last(&self, writer: &mut Writer, plan: &mut Plan) {
        if self.flush_under(writer, plan).is_err() {
            self.give_up(writer, plan);
        }
    }

    /// Gives up what was acknowledged and is not known to be durable.
    pub(super) fn give_up(&self, writer: &mut Writer, plan: &mut Plan) {
        let lost = self.behind.events();
        writer.owed.clear();
        plan.open = Group::default();
        plan.refusal = None;
        if lost > 0 {
            Counters::add(&self.counters.lost_events, lost);
            tracing::error!(
                log = %self.layout.root().display(),
                events = lost,
                "the log was closed before acknowledged events were durable"
            );
        }
        self.wake_readers();
    }
}

/// Not with the plan locked, unless that is [`busy`](Shared::busy).
fn say(flushed: &fs::Result<()>) {
    if let Err(error) = flushed {
        tracing::warn!(%error, "what was acknowledged is not durable yet; it is kept and tried again");
    }
}

impl Writer {
    /// What is owed is to be written again: its segment is sealed, or soon will be.
    pub(super) fn unwrite_owed(&mut self) {
        for one in &mut self.owed {
            one.written = false;
        }
    }
}

/// Moves what is acknowledged to what is to be written.
fn collect(writer: &mut Writer, plan: &mut Plan) {
    if !plan.open.is_empty() {
        let group = std::mem::take(&mut plan.open);
        let written = false;
        writer.owed.push(Owed { group, written });
    }
}
