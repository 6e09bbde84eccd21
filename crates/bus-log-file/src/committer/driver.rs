//! Who commits: whoever waits, or one of the log's own threads.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Instant;

use bus_log::Driver;

use super::Shared;
use super::commit::Lead;
use super::owned::LOOK;
use super::queue::{Closed, Woken};
use super::tell::Told;
use super::whole::Whole;
use crate::fs;

impl Driver for Shared {
    fn help(&self, told: &dyn Fn() -> bool) {
        if self.tell.is_me() {
            return self.help_within(told, || self.tell.tell_awaited());
        }
        while !told() {
            let Some(lead) = self.try_lead() else {
                // They commit what came meanwhile too, or have it done.
                return;
            };
            let any = self.guard(|| self.commit(lead, false));
            self.tell(false);
            if !any {
                return;
            }
        }
    }

    fn help_callback(&self, told: &dyn Fn() -> bool) {
        if self.tell.is_me() {
            return self.help_within(told, || self.tell.tell_until(told));
        }
        self.help(told);
    }

    fn start(&self) {
        if !self.polls_within() {
            self.look();
        }
    }
}

impl Shared {
    /// Has a server commit what waits, unless somebody commits or tells: they look afterwards.
    pub(super) fn look(&self) {
        if !self.tell.is_busy() {
            self.queue.start();
        }
    }

    /// Tells those who wait, and looks who came meanwhile.
    pub(super) fn tell(&self, all: bool) {
        match self.tell.tell(all) {
            Told::All => self.look(),
            Told::Share => self.queue.want(),
        }
    }

    /// A callback waits: this thread is the one that tells, and has `tell` do it as far as it must.
    fn help_within(&self, told: &dyn Fn() -> bool, tell: impl Fn() -> u64) {
        loop {
            let pushes = tell();
            if told() {
                return;
            }
            let committed = match self.try_lead() {
                Some(lead) => self.guard(|| self.commit(lead, true)),
                None => false,
            };
            if !committed {
                self.tell.wait_within(pushes);
            }
        }
    }

    /// A callback may wait by polling: others see to it that it is told, as this thread can't. False if this
    /// is no callback.
    pub(super) fn polls_within(&self) -> bool {
        let within = self.tell.is_me();
        if within {
            self.tell.polls();
            self.queue.want();
        }
        within
    }

    /// What a server does: it commits for those who can't, and keeps the log's times.
    pub(super) fn serve(&self) {
        loop {
            match self.queue.wait() {
                Woken::Work => {
                    while let Some(lead) = self.try_lead() {
                        let any = self.guard(|| self.commit(lead, true));
                        self.tell.tell(true);
                        if !any || self.queue.is_empty() {
                            break;
                        }
                    }
                }
                Woken::Flush => {
                    self.guard(|| self.flush_now());
                }
                Woken::Idle => {
                    self.guard(|| self.let_idle_go());
                }
                Woken::Again => {
                    self.guard(|| self.try_again());
                }
                Woken::Closed => return,
            }
            self.tell(true);
        }
    }

    /// What the keeper's thread does.
    pub(super) fn keep_files(&self) {
        let done = || {
            let mut lead = self.lead();
            let mut files = self.files();
            self.note_done(&mut lead, &mut files);
        };
        let run = || {
            self.keeper.run(&self.layout, done);
            true
        };
        // After a panic it goes on until it is sent home.
        while !self.guard(run) {}
    }

    /// Settles and lets go of everything. Nothing is taken any more.
    pub(super) fn shut(&self) {
        while self.guard(|| self.commit(self.lead(), true)) {
            self.tell(true);
        }
        self.guard(|| self.close_all());
        self.tell(true);
        let close = || {
            self.keeper.close(&self.layout);
            true
        };
        // A panic in what the keeper had left to do leaves nothing to do.
        while !self.guard(close) {}
    }

    fn close_all(&self) -> bool {
        let mut lead = self.lead();
        // What is given up is said with the plan locked: whoever hears of it may submit.
        let _busy = self.busy();
        let mut plan = self.plan();
        if self.queue.failed() {
            // Nothing is known of what was planned: what is in the journal is recovered by whoever opens the log
            // next, for its locks keep our name.
            self.give_up(&mut lead, &mut plan);
            self.keeper.wait(&self.layout);
            self.files().held.clear();
            lead.journal = None;
            return false;
        }
        self.flush_last(&mut lead, &mut plan);
        self.whole(&mut lead, &mut plan, |whole| whole.close())
            .is_ok()
    }

    fn let_idle_go(&self) -> bool {
        let mut lead = self.lead();
        if self.queue.failed() {
            return false;
        }
        let next = self.in_time(&mut lead, |whole| whole.let_idle_go());
        // All who set it have the right to commit.
        self.queue
            .look_at(next.unwrap_or_else(|_| Some(Instant::now() + LOOK)));
        true
    }

    fn try_again(&self) -> bool {
        let mut lead = self.lead();
        if self.queue.failed() {
            return false;
        }
        let tried = self.in_time(&mut lead, |whole| whole.try_again());
        if tried.is_err() {
            self.queue.try_again_at(Instant::now() + LOOK);
        }
        true
    }

    /// Has something done with everything that nobody waits for.
    fn in_time<T>(
        &self,
        lead: &mut Lead<'_>,
        work: impl FnOnce(&mut Whole<'_>) -> T,
    ) -> fs::Result<T> {
        // What can be flushed while others plan is.
        self.flush(lead)?;
        let _busy = self.busy();
        let mut plan = self.plan();
        self.whole(lead, &mut plan, work)
    }

    /// Runs a stage. If it panics the log takes nothing any more, and those who wait are told.
    pub(super) fn guard(&self, stage: impl FnOnce() -> bool) -> bool {
        catch_unwind(AssertUnwindSafe(stage)).unwrap_or_else(|_| {
            tracing::error!("the log's writer panicked; the log takes nothing any more");
            self.close(Closed::Failed);
            self.tell(true);
            false
        })
    }
}
