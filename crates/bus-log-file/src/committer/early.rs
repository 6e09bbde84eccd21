//! Acknowledging before the sync: [`Durability::Interval`] and [`Durability::Os`].

use std::sync::{Arc, MutexGuard, TryLockError};
use std::time::{Duration, Instant};

use bus_log::{Expect, Result};

use super::Shared;
use super::commit::{Lead, warn_failed};
use super::flush::Owed;
use super::group::{Answer, Group};
use super::plan::{Plan, place};
use super::queue::Closed;
use super::tell::Item;
use crate::config::Durability;
use crate::line::Lines;
use crate::name::Name;

/// How long what the operating system has waits for its sync.
const OS_WINDOW: Duration = Duration::from_millis(50);

/// Bytes that are flushed before their time.
const ENOUGH: u64 = 1 << 20;

/// How often the plan is asked for by those who must not block: others who acknowledge hold it for less than a microsecond.
const TRIES: u32 = 100;

impl Shared {
    /// Acknowledges a batch at once, if that may be; else it is to be queued.
    pub(crate) fn accept(
        &self,
        name: &Arc<Name>,
        expect: Expect,
        lines: &mut Lines,
    ) -> Option<Result<Option<u64>>> {
        let Durability::Interval(window) = self.config.durability else {
            return None;
        };
        let mut plan = self.plan_soon()?;
        let plan = &mut *plan;
        // None overtakes those that are queued, which are taken under the same lock.
        let room =
            plan.open.parts.len() < self.most_parts() || plan.open.by_id.contains_key(&name.id);
        if !room
            || !self.queue.is_empty()
            || self.queue.is_closed().is_some()
            || plan.refusal.is_some()
            || self.is_behind()
            || self.keeper.any_failed()
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

    /// The plan, for those who must not block: `None` if it is not given back at once. The queue is always right.
    fn plan_soon(&self) -> Option<MutexGuard<'_, Plan>> {
        for _ in 0..TRIES {
            if self.is_busy() {
                return None;
            }
            match self.plan.try_lock() {
                Ok(plan) => return Some(plan),
                // Whoever holds it for long may not have come to saying so.
                Err(TryLockError::WouldBlock) => std::hint::spin_loop(),
                Err(TryLockError::Poisoned(poisoned)) => {
                    // Whoever panicked may not have come to it yet.
                    self.close(Closed::Failed);
                    return Some(poisoned.into_inner());
                }
            }
        }
        None
    }

    /// Counts what was added to a group that is told, and has it flushed in time. This comes before it is told: who
    /// hears of it may read at once, and waits for what was counted.
    fn owe(&self, group: &Group, before: (u64, usize), window: Duration) {
        let (events, bytes) = (group.events - before.0, group.bytes - before.1);
        if events == 0 {
            return;
        }
        let all = self.behind.add(events, bytes);
        if all >= ENOUGH && all - (bytes as u64) < ENOUGH {
            self.queue.want_flush(None);
        } else if all == bytes as u64 || before.0 == 0 {
            // A window without end has none.
            if let Some(at) = Instant::now().checked_add(window) {
                self.queue.want_flush(Some(at));
            }
        }
    }

    /// Whether no more may be acknowledged before some of it is durable.
    pub(super) fn is_behind(&self) -> bool {
        self.behind.bytes() >= self.config.queue_bytes as u64
    }

    /// What was queued is accepted in its turn.
    pub(super) fn accept_group(&self, lead: &mut Lead<'_>, window: Duration) -> bool {
        let mut plan = self.plan();
        let mut answers = Vec::new();
        let Some(appends) = self.take_ready(lead, &mut plan, &mut answers) else {
            return false;
        };
        let mut group = std::mem::take(&mut plan.open);
        let before = (group.events, group.bytes);
        group.answers = answers;
        self.plan_into(&mut plan, &mut group, appends);
        self.owe(&group, before, window / 2);
        self.tell.push(outcomes(&mut group));
        plan.open = group;
        true
    }

    /// Writes what was queued, and tells of it before it is synced.
    pub(super) fn write_group(&self, mut lead: Lead<'_>) -> bool {
        let mut plan = self.plan();
        let mut group = Group::default();
        let Some(appends) = self.take_ready(&mut lead, &mut plan, &mut group.answers) else {
            return false;
        };
        self.plan_into(&mut plan, &mut group, appends);
        let mut failed = None;
        if !group.is_empty() {
            match self.write(&mut lead, &group) {
                Ok(()) => self.count(&group),
                Err(error) => {
                    failed = Some(error.again());
                    plan.take_back(&group);
                    group.fail(&error);
                    // What was told before it may be lost with it: no more is, before that is mended.
                    plan.refusal = Some(error);
                    self.queue.want_flush(None);
                }
            }
        }
        drop(plan);
        let outcomes: Vec<Item> = outcomes(&mut group).collect();
        if !group.is_empty() {
            self.owe(&group, (0, 0), OS_WINDOW);
            lead.owed.push(Owed::written(group));
        }
        self.tell.push(outcomes);
        drop(lead);
        // Whoever hears of it may append.
        if let Some(error) = failed {
            warn_failed(&error);
        }
        true
    }
}

fn outcomes(group: &mut Group) -> impl Iterator<Item = Item> + '_ {
    group.answers.drain(..).filter_map(Answer::into_item)
}

#[cfg(test)]
mod tests;
