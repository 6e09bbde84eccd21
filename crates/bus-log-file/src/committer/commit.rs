//! The commit stage: planning, journaling and showing one group.

use std::collections::VecDeque;
use std::ops::{Deref, DerefMut};
use std::sync::{MutexGuard, TryLockError};
use std::time::Instant;

use bus_log::{LogError, Result};

use super::checkpoint::MOST_ENDED;
use super::group::{Answer, Group};
use super::owned::Files;
use super::plan::{Plan, place, start};
use super::queue::Closed;
use super::request::{Append, Request};
use super::tell::Item;
use super::whole::Whole;
use super::{Shared, Writer, lock};
use crate::config::Durability;
use crate::fs::{self, DiskError};
use crate::journal::Journal;
use crate::name::{IdMap, Name};
use crate::stats::Counters;

/// Bytes of batches that are committed together, unless one alone has more.
const GROUP_BYTES: usize = 16 << 20;

/// The right to commit. Whoever gives it up looks at the queue once more: those who came meanwhile
/// have left their appends to it.
pub(super) struct Lead<'s> {
    shared: &'s Shared,
    writer: Option<MutexGuard<'s, Writer>>,
}

impl Deref for Lead<'_> {
    type Target = Writer;

    fn deref(&self) -> &Writer {
        // It is only taken out on the way out.
        #[expect(
            clippy::expect_used,
            reason = "a guard that is held until it is dropped"
        )]
        self.writer.as_deref().expect("held")
    }
}

impl DerefMut for Lead<'_> {
    fn deref_mut(&mut self) -> &mut Writer {
        #[expect(
            clippy::expect_used,
            reason = "a guard that is held until it is dropped"
        )]
        self.writer.as_deref_mut().expect("held")
    }
}

impl Drop for Lead<'_> {
    fn drop(&mut self) {
        self.shared.queue.lead(false);
        drop(self.writer.take());
        self.shared.look();
    }
}

impl Shared {
    /// Takes the right to commit, if nobody has it.
    pub(super) fn try_lead(&self) -> Option<Lead<'_>> {
        let writer = match self.writer.try_lock() {
            Ok(writer) => writer,
            Err(TryLockError::Poisoned(poisoned)) => {
                // Whoever panicked may not have come to it yet.
                self.close(Closed::Failed);
                poisoned.into_inner()
            }
            Err(TryLockError::WouldBlock) => return None,
        };
        self.queue.lead(true);
        Some(Lead {
            shared: self,
            writer: Some(writer),
        })
    }

    /// Takes the right to commit, waiting for whoever has it.
    pub(super) fn lead(&self) -> Lead<'_> {
        let writer = self.lock_sound(&self.writer);
        self.queue.lead(true);
        Lead {
            shared: self,
            writer: Some(writer),
        }
    }

    /// Commits what waits, as one group. False if nothing waited, or what is first in line is not
    /// for this thread to do.
    pub(super) fn commit(&self, mut lead: Lead<'_>, rewrites: bool) -> bool {
        if self.queue.is_empty() {
            return false;
        }
        if self.queue.failed() {
            // What was put back meanwhile is told too.
            self.close(Closed::Failed);
            return false;
        }
        let mut wakers = Vec::new();
        let rewrite = self.queue.take_rewrite(&mut wakers);
        if !wakers.is_empty() {
            self.tell.push(wakers.into_iter().map(Item::Wake));
        }
        if let Some(request) = rewrite {
            if rewrites {
                self.rewrite(lead, request);
                return true;
            }
            self.queue.put_back([request]);
            self.queue.want();
            return false;
        }
        if self.queue.is_empty() {
            // All that waited was given up.
            return false;
        }
        self.wait_for_room(&mut lead);
        match self.config.durability {
            Durability::Sync => self.commit_group(lead),
            Durability::Os => self.write_group(lead),
            Durability::Interval(window) => self.accept_group(&mut lead, window),
        }
    }

    /// Takes what waits, up to the next rewrite of a session, and sees to it that it can be planned. Returns what
    /// is to be; what there is to be told without is added to `answers`.
    pub(super) fn take_ready(
        &self,
        writer: &mut Writer,
        plan: &mut Plan,
        answers: &mut Vec<Answer>,
    ) -> Option<Vec<Append>> {
        let mut wakers = Vec::new();
        let appends = self.queue.take(GROUP_BYTES, &mut wakers);
        self.tell.push(wakers.into_iter().map(Item::Wake));
        if appends.is_empty() {
            return None;
        }
        // One look at each file decides: by a second one a session could be planned anew that is owed something.
        let now = Instant::now();
        let ready = !self.keeper.any_failed()
            && appends
                .iter()
                .all(|append| plan.is_ready(&append.name, now));
        let (appends, trouble) = if !ready {
            self.prepare(writer, plan, answers, appends, now)
        } else if self.must_flush(writer, plan) {
            (appends, self.flush_under(writer, plan).err())
        } else {
            (appends, None)
        };
        Some(match trouble {
            None => appends,
            Some(error) => {
                for append in appends {
                    answers.push(Answer::alone(append.reply, Err(error.again().into())));
                }
                Vec::new()
            }
        })
    }

    /// Waits for the keeper while too much of the journal waits for it.
    pub(super) fn wait_for_room(&self, lead: &mut Lead<'_>) {
        if lead.ended.len() >= MOST_ENDED && !lead.grows {
            self.keeper.wait(&self.layout);
            let mut files = self.files();
            self.apply(lead, &mut files);
        }
    }

    fn commit_group(&self, mut lead: Lead<'_>) -> bool {
        self.cohort
            .gather(|| self.queue.len(), || self.tell.is_busy());
        let mut group = Group::default();
        let mut plan = self.plan();
        let Some(appends) = self.take_ready(&mut lead, &mut plan, &mut group.answers) else {
            return false;
        };
        self.cohort.took(appends.len());
        self.plan_into(&mut plan, &mut group, appends);
        drop(plan);
        let mut failed = None;
        if !group.is_empty() {
            let synced = self
                .write(&mut lead, &group)
                .and_then(|()| self.sync(&mut lead));
            match synced {
                Ok(()) => self.count(&group),
                Err(error) => {
                    if lead.journal.as_ref().is_some_and(Journal::is_lost) {
                        // It takes no more before a sync has told so.
                        let _ = self.sync(&mut lead);
                    }
                    self.plan().take_back(&group);
                    group.fail(&error);
                    failed = Some(error);
                }
            }
        }
        let full = self.is_full(&lead);
        let doubtful = lead.journal.as_ref().is_some_and(Journal::is_doubtful);
        // Taken before the right to commit is given up: groups show in the order of their syncs.
        let mut files = self.files();
        if full {
            // All that the segment holds is to be shown before it ends.
            self.show(&mut files, &mut group);
            self.roll_if_full(&mut lead, &mut files);
            drop(lead);
        } else {
            drop(lead);
            self.show(&mut files, &mut group);
        }
        if doubtful {
            self.try_again_soon(&mut files);
        }
        drop(files);
        // Whoever hears of it may append.
        if let Some(error) = failed {
            warn_failed(&error);
        }
        true
    }

    /// Plans what was taken. What there is no place for in this group waits for the next.
    pub(super) fn plan_into(&self, plan: &mut Plan, group: &mut Group, appends: Vec<Append>) {
        let mut left = Vec::new();
        for mut append in appends {
            let there = group.by_id.contains_key(&append.name.id);
            let room = there || group.parts.len() < self.most_parts();
            let placed = if room && left.is_empty() {
                let (name, lines) = (&append.name, &mut append.lines);
                place(&mut plan.sessions, group, name, append.expect, lines)
            } else {
                None
            };
            match placed {
                Some((part, outcome)) => group.answers.push(Answer {
                    reply: append.reply,
                    part,
                    outcome,
                }),
                None => left.push(append),
            }
        }
        self.queue.put_back(left.into_iter().map(Request::Append));
    }

    /// How many sessions one group may touch: fewer than are let go at once, so that none of a
    /// group's is.
    pub(super) fn most_parts(&self) -> usize {
        (self.config.open_threads / 4).max(1)
    }

    /// Makes sessions ready that are not. Returns what is to be planned, and why nothing can be. From the first session on
    /// that there is no place for, all wait for the next group: none is planned for that was not looked at.
    fn prepare(
        &self,
        writer: &mut Writer,
        plan: &mut Plan,
        answers: &mut Vec<Answer>,
        appends: Vec<Append>,
        now: Instant,
    ) -> (Vec<Append>, Option<DiskError>) {
        let mut waiting = VecDeque::from(appends);
        let prepared = self.whole(writer, plan, |whole| {
            let mut ready = Vec::with_capacity(waiting.len());
            let mut names = IdMap::<()>::default();
            while let Some(append) = waiting.pop_front() {
                let id = append.name.id;
                // For more of them others of this group would be let go. Those of others count too: each takes time, in
                // which nobody else is planned for.
                if !names.contains_key(&id) && names.len() >= self.most_parts() {
                    waiting.push_front(append);
                    break;
                }
                match whole.make_ready(&append, now) {
                    Ok(Ready::Yes) => {
                        names.insert(id, ());
                        ready.push(append);
                    }
                    Ok(Ready::Told(last)) => {
                        answers.push(Answer::alone(append.reply, Ok(Some(last))));
                    }
                    Err(error) => {
                        names.insert(id, ());
                        answers.push(Answer::alone(append.reply, Err(error)));
                    }
                }
            }
            ready
        });
        match prepared {
            Ok(ready) => {
                self.queue
                    .put_back(waiting.into_iter().map(Request::Append));
                (ready, None)
            }
            Err(error) => (waiting.into(), Some(error)),
        }
    }

    pub(super) fn write(&self, writer: &mut Writer, group: &Group) -> fs::Result<()> {
        let Some(journal) = &mut writer.journal else {
            // Holding a session takes one.
            return Err(DiskError::missing("find", &self.layout.journals()));
        };
        let written = group.write(journal)?;
        Counters::add(&self.counters.journal_bytes, written);
        Ok(())
    }

    pub(super) fn sync(&self, writer: &mut Writer) -> fs::Result<()> {
        let Some(journal) = &mut writer.journal else {
            return Ok(());
        };
        let start = Instant::now();
        journal.sync()?;
        self.cohort.synced(start.elapsed());
        Counters::add(&self.counters.syncs, 1);
        Ok(())
    }

    pub(super) fn count(&self, group: &Group) {
        Counters::add(&self.counters.groups, 1);
        Counters::add(&self.counters.batches, group.batches);
        Counters::add(&self.counters.events, group.events);
    }

    pub(super) fn is_full(&self, writer: &Writer) -> bool {
        let full = self.config.segment_bytes;
        let journal = writer.journal.as_ref();
        journal.is_some_and(|journal| journal.bytes() >= full)
    }

    /// Writes what is durable into the session files. Those who wait are told later, when the lock is
    /// gone.
    pub(super) fn show(&self, files: &mut Files, group: &mut Group) {
        let used = Instant::now();
        for part in &mut group.parts {
            let turn = files.turn();
            let Some(held) = files.held.get_mut(&part.name.id) else {
                // A group's sessions are held until it is shown. Nothing of what follows would be true.
                unheld(&part.name);
            };
            (held.used, held.turn) = (used, turn);
            if let Some(header) = part.header.take() {
                held.header = Some(header);
            }
            held.last = part.last;
            let bytes = std::mem::take(&mut part.bytes);
            if let Err(error) = held.show(&self.layout, part.position, bytes) {
                tracing::warn!(%error, "a session file can't be written; its events are in the journal");
                part.failed = Some(error);
            }
        }
        if group.parts.iter().any(|part| part.failed.is_some()) {
            self.try_again_soon(files);
        }
        group.fail_unshown();
        let wakers = group
            .parts
            .iter()
            .flat_map(|part| self.watch.take(&part.name.id));
        let wakers = wakers.map(Item::Wake);
        let answers = group.answers.drain(..);
        let answers = answers.filter_map(Answer::into_item);
        self.tell.push(wakers.chain(answers));
    }

    fn rewrite(&self, mut lead: Lead<'_>, request: Request) {
        // What can be flushed while others plan is.
        let flushed = self.flush(&mut lead).map_err(LogError::from);
        let told = match request {
            Request::Archive {
                name,
                watermark,
                reply,
            } => {
                let archive = |whole: &mut Whole<'_>| whole.archive(&name, watermark);
                let archived = flushed.and_then(|()| self.alone(&mut lead, archive));
                (reply, archived.map(Some))
            }
            Request::Erase { name, reply } => {
                let erase = |whole: &mut Whole<'_>| whole.erase(&name);
                let erased = flushed.and_then(|()| self.alone(&mut lead, erase));
                (reply, erased.map(|()| None))
            }
            Request::Mend { ids, found, reply } => {
                let mend = |whole: &mut Whole<'_>| Ok(whole.mend_found(&ids));
                // Its reader may have given it up meanwhile.
                let Some(found) = found.upgrade() else {
                    return reply.forget();
                };
                let mended = flushed.and_then(|()| self.alone(&mut lead, mend));
                (
                    reply,
                    mended.map(|mended| *lock(&found) = mended).map(|()| None),
                )
            }
            Request::Append(append) => {
                let error = LogError::internal("an append is no rewrite");
                (append.reply, Err(error))
            }
        };
        let (reply, outcome) = told;
        self.tell.push(reply.with(outcome));
    }

    /// Has something done with everything.
    fn alone<T>(
        &self,
        lead: &mut Lead<'_>,
        work: impl FnOnce(&mut Whole<'_>) -> Result<T>,
    ) -> Result<T> {
        let _busy = self.busy();
        let mut plan = self.plan();
        self.whole(lead, &mut plan, work)?
    }
}

/// Never called under a lock.
pub(super) fn warn_failed(error: &DiskError) {
    tracing::warn!(%error, "a group of appends failed");
}

/// Closes the log, as any panic of its writer does: what was committed is in the journal, for whoever opens it next.
#[expect(
    clippy::panic,
    reason = "its ordinals would be given once more, to other events"
)]
fn unheld(name: &Name) -> ! {
    panic!("a session was let go before it was shown: {}", name.key)
}

/// What [`Whole::make_ready`] found.
enum Ready {
    /// The session can be planned for.
    Yes,
    /// There is nothing to plan: this is the last ordinal.
    Told(u64),
}

impl Whole<'_> {
    fn make_ready(&mut self, append: &Append, now: Instant) -> Result<Ready> {
        let name = &append.name;
        if append.lines.count() == 0 && !self.holds(&name.id) {
            // Asking is no reason to own a session.
            let last = self.look_up(name)?.map_or(0, |found| found.last);
            start(last, append.expect, 0)?;
            return Ok(Ready::Told(last));
        }
        if self.plan.is_ready(name, now) {
            // It counts as used, and is not let go for the others.
            self.hold(&name.key, name.id)?;
        } else {
            self.prepare(name, now)?;
        }
        Ok(Ready::Yes)
    }
}
