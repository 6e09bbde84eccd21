//! Acknowledging before the sync, and making it true: [`Durability::Interval`] and [`Durability::Os`].

use std::future::poll_fn;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Poll, Waker};
use std::time::{Duration, Instant};

use bus_log::{Expect, LogError, Result};

use super::commit::Lead;
use super::group::Group;
use super::owned::Files;
use super::plan::{Plan, place};
use super::queue::Append;
use super::tell::Item;
use super::{Shared, lock};
use crate::config::Durability;
use crate::fs::{self, DiskError};
use crate::lines::Lines;
use crate::name::Name;
use crate::stats::Counters;

/// How long what the operating system has waits for its sync.
const OS_WINDOW: Duration = Duration::from_millis(50);

/// How long to wait after a flush that failed.
const AGAIN: Duration = Duration::from_millis(100);

/// Bytes that are flushed before their time.
const ENOUGH: u64 = 1 << 20;

/// A group that was told before it was durable.
#[derive(Debug)]
pub(super) struct Owed {
    group: Group,
    /// It is in the segment that the next sync is for.
    written: bool,
}

/// How much was acknowledged that is not shown yet.
#[derive(Debug, Default)]
pub(super) struct Behind {
    /// Events acknowledged, and of those shown.
    accepted: AtomicU64,
    shown: AtomicU64,
    bytes: AtomicU64,
    failures: AtomicU64,
    /// Readers that wait for it.
    waiting: Mutex<Vec<Waker>>,
}

impl Behind {
    /// Returns how many bytes it is now.
    fn add(&self, events: u64, bytes: usize) -> u64 {
        self.accepted.fetch_add(events, Ordering::SeqCst);
        self.bytes.fetch_add(bytes as u64, Ordering::SeqCst) + bytes as u64
    }

    fn settle(&self, (events, bytes): (u64, usize)) {
        self.shown.fetch_add(events, Ordering::SeqCst);
        self.bytes.fetch_sub(bytes as u64, Ordering::SeqCst);
    }

    /// Events that are not shown.
    fn events(&self) -> u64 {
        let shown = self.shown.load(Ordering::SeqCst);
        self.accepted.load(Ordering::SeqCst).saturating_sub(shown)
    }
}

impl Shared {
    /// Acknowledges a batch at once, if that may be; else it is to be queued.
    pub(crate) fn accept(
        &self,
        name: &std::sync::Arc<Name>,
        expect: Expect,
        lines: &mut Lines,
    ) -> Option<Result<Option<u64>>> {
        let Durability::Interval(window) = self.config.durability else {
            return None;
        };
        if self.busy.load(Ordering::SeqCst) {
            return None;
        }
        let mut plan = self.plan();
        let plan = &mut *plan;
        // None overtakes those that are queued, which are taken under the same lock.
        let room =
            plan.open.parts.len() < self.most_parts() || plan.open.by_id.contains_key(&name.id);
        if !room
            || !self.queue.is_empty()
            || plan.refusal.is_some()
            || self.is_behind()
            || !(plan.is_open(name) || plan.is_ready(name, Instant::now()))
        {
            return None;
        }
        let before = (plan.open.events, plan.open.bytes);
        let placed = place(&mut plan.sessions, &mut plan.open, name, expect, lines);
        let (_, outcome) = placed?;
        self.owe(&plan.open, before, window / 2);
        Some(outcome)
    }

    /// Counts what was added to a group that is told, and has it flushed in time.
    fn owe(&self, group: &Group, before: (u64, usize), window: Duration) {
        let (events, bytes) = (group.events - before.0, group.bytes - before.1);
        if events == 0 {
            return;
        }
        let all = self.behind.add(events, bytes);
        if all >= ENOUGH && all - (bytes as u64) < ENOUGH {
            self.queue.want_flush(None);
        } else if all == bytes as u64 || before.0 == 0 {
            self.queue.want_flush(Some(Instant::now() + window));
        }
    }

    /// Whether no more may be acknowledged before some of it is durable.
    fn is_behind(&self) -> bool {
        self.behind.bytes.load(Ordering::SeqCst) >= self.config.queue_bytes as u64
    }

    /// What was queued is accepted in its turn.
    pub(super) fn accept_group(&self, lead: &mut Lead<'_>, window: Duration) -> bool {
        let mut plan = self.plan();
        let Some(appends) = self.take_appends() else {
            return false;
        };
        if self.must_flush(&mut plan, &appends)
            && let Err(error) = self.flush_with(lead, &mut plan)
        {
            self.refuse(appends, &error);
            return true;
        }
        let mut group = std::mem::take(&mut plan.open);
        let before = (group.events, group.bytes);
        self.plan_into(lead, &mut plan, &mut group, appends);
        self.tell.push(answers(&mut group));
        self.owe(&group, before, window / 2);
        plan.open = group;
        true
    }

    /// Writes what was queued, and tells of it before it is synced.
    pub(super) fn write_group(&self, lead: &mut Lead<'_>) -> bool {
        let mut plan = self.plan();
        let Some(appends) = self.take_appends() else {
            return false;
        };
        if self.must_flush(&mut plan, &appends)
            && let Err(error) = self.flush_with(lead, &mut plan)
        {
            self.refuse(appends, &error);
            return true;
        }
        let mut group = Group::default();
        self.plan_into(lead, &mut plan, &mut group, appends);
        if !group.is_empty() {
            match self.write(lead, &group) {
                Ok(()) => self.count(&group),
                Err(error) => {
                    tracing::warn!(%error, "a group of appends failed");
                    plan.take_back(&group);
                    group.fail(&error);
                }
            }
        }
        drop(plan);
        self.tell.push(answers(&mut group));
        if !group.is_empty() {
            self.owe(&group, (0, 0), OS_WINDOW);
            let written = true;
            lead.owed.push(Owed { group, written });
        }
        true
    }

    /// Whether the slow way is to be gone: it takes for granted that all is shown.
    fn must_flush(&self, plan: &mut Plan, appends: &[Append]) -> bool {
        let now = Instant::now();
        plan.refusal.is_some()
            || self.is_behind()
            || plan.open.parts.len() >= self.most_parts()
            || !appends
                .iter()
                .all(|append| plan.is_ready(&append.name, now))
    }

    fn refuse(&self, appends: Vec<Append>, error: &DiskError) {
        let told = appends
            .into_iter()
            .map(|append| Item::Outcome(append.reply, Err(error.again().into())));
        self.tell.push(told);
    }

    /// Makes durable and shows what was acknowledged, while others plan.
    pub(super) fn flush(&self, lead: &mut Lead<'_>) -> fs::Result<()> {
        let mut plan = self.plan();
        if self.config.durability == Durability::Sync {
            return Ok(());
        }
        let mends = collect(lead, &mut plan);
        drop(plan);
        let settled = self.settle(lead, mends);
        let mut plan = self.plan();
        self.note(&mut plan, settled)
    }

    /// As [`flush`](Self::flush), while nobody plans.
    fn flush_with(&self, lead: &mut Lead<'_>, plan: &mut Plan) -> fs::Result<()> {
        self.busy.store(true, Ordering::SeqCst);
        let mends = collect(lead, plan);
        let settled = self.settle(lead, mends);
        self.busy.store(false, Ordering::SeqCst);
        self.note(plan, settled)
    }

    fn note(&self, plan: &mut Plan, settled: fs::Result<()>) -> fs::Result<()> {
        match settled {
            Ok(()) => plan.refusal = None,
            Err(error) => {
                tracing::warn!(%error, "what was acknowledged is not durable yet; it is kept and tried again");
                self.behind.failures.fetch_add(1, Ordering::SeqCst);
                self.queue.want_flush(Some(Instant::now() + AGAIN));
                plan.refusal = Some(error.again());
                self.wake_readers();
                return Err(error);
            }
        }
        self.wake_readers();
        Ok(())
    }

    fn settle(&self, lead: &mut Lead<'_>, mends: bool) -> fs::Result<()> {
        let mut owed = std::mem::take(&mut lead.owed);
        if let Err(error) = self.write_owed(lead, &mut owed) {
            for one in &mut owed {
                // Its segment is sealed, or soon will be: to be written again, into the next one.
                one.written = false;
            }
            lead.owed = owed;
            return Err(error);
        }
        let full = self.is_full(lead);
        let mut files = self.files();
        let mut failed = None;
        for mut one in owed {
            self.show(&mut files, &mut one.group);
            let amount = (one.group.events, one.group.bytes);
            match one.group.parts.into_iter().find_map(|part| part.failed) {
                None => self.behind.settle(amount),
                Some(error) => {
                    lead.unshown.0 += amount.0;
                    lead.unshown.1 += amount.1;
                    failed = Some(error);
                }
            }
        }
        if full {
            self.roll_if_full(lead, &mut files);
        }
        match failed {
            Some(error) => Err(error),
            None if mends || lead.unshown.0 > 0 => self.show_rest(lead, &mut files),
            None => Ok(()),
        }
    }

    /// Shows what could not be shown before.
    fn show_rest(&self, lead: &mut Lead<'_>, files: &mut Files) -> fs::Result<()> {
        self.mend(lead, files).map_err(|error| {
            DiskError::caused("show what is in", &self.layout.journals(), error)
        })?;
        self.behind.settle(std::mem::take(&mut lead.unshown));
        Ok(())
    }

    fn write_owed(&self, lead: &mut Lead<'_>, owed: &mut [Owed]) -> fs::Result<()> {
        if owed.is_empty() {
            return Ok(());
        }
        for one in owed.iter_mut().filter(|one| !one.written) {
            self.write(lead, &one.group)?;
            self.count(&one.group);
            one.written = true;
        }
        self.sync(lead)
    }

    /// One of the log's threads flushes.
    pub(super) fn flush_now(&self) -> bool {
        let mut lead = self.lead();
        self.wait_for_room(&mut lead);
        self.flush(&mut lead).is_ok()
    }

    /// Flushes once more before the log is closed. What can't be made durable is lost, and said to be.
    pub(super) fn flush_last(&self, lead: &mut Lead<'_>) {
        if self.flush(lead).is_ok() {
            return;
        }
        let lost: u64 = lead.owed.iter().map(|one| one.group.events).sum();
        if lost > 0 {
            Counters::add(&self.counters.lost_events, lost);
            tracing::error!(
                events = lost,
                "the log was closed before acknowledged events were durable"
            );
        }
    }

    /// Waits until what was acknowledged can be read.
    pub(crate) async fn caught_up(&self) -> Result<()> {
        if self.behind.events() == 0 {
            return Ok(());
        }
        let target = self.behind.accepted.load(Ordering::SeqCst);
        let failures = self.behind.failures.load(Ordering::SeqCst);
        let mut asked = false;
        poll_fn(|cx| {
            let mut waiting = lock(&self.behind.waiting);
            if self.behind.shown.load(Ordering::SeqCst) >= target {
                return Poll::Ready(Ok(()));
            }
            if self.behind.failures.load(Ordering::SeqCst) != failures {
                let error = "what was acknowledged is not durable yet, and can't be read";
                return Poll::Ready(Err(LogError::unavailable(error)));
            }
            waiting.push(cx.waker().clone());
            drop(waiting);
            if !std::mem::replace(&mut asked, true) {
                self.queue.want_flush(None);
            }
            self.polls_within();
            Poll::Pending
        })
        .await
    }

    fn wake_readers(&self) {
        let waiting = std::mem::take(&mut *lock(&self.behind.waiting));
        self.tell.push(waiting.into_iter().map(Item::Wake));
    }
}

/// Moves what is acknowledged to what is to be written. Says whether something went wrong before.
fn collect(lead: &mut Lead<'_>, plan: &mut Plan) -> bool {
    if !plan.open.is_empty() {
        let group = std::mem::take(&mut plan.open);
        let written = false;
        lead.owed.push(Owed { group, written });
    }
    plan.refusal.is_some()
}

fn answers(group: &mut Group) -> impl Iterator<Item = Item> + '_ {
    let answers = group.answers.drain(..);
    answers.map(|answer| Item::Outcome(answer.reply, answer.outcome))
}
