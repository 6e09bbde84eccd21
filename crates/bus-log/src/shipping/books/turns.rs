//! Whose turn it is, and what becomes of it.

use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Instant;

use bus_core::ThreadKey;
use chrono::Utc;

use super::super::account::{Failure, State, Told};
use super::{Books, Outage};
use crate::ReplicateError;
use crate::replicate::{Level, Moved, News};

/// What a courier sets out with.
pub(in crate::shipping) struct Errand {
    pub(in crate::shipping) key: ThreadKey,
    /// The remote log's last ordinal, where it need not be asked.
    pub(in crate::shipping) knows: Option<u64>,
    /// Where the remote log was found to differ.
    pub(in crate::shipping) differed: Option<u64>,
    /// The remote log was found ahead.
    pub(in crate::shipping) was_ahead: bool,
    /// The first ordinal that the remote log ever had; 0 if it is not known to have had any.
    pub(in crate::shipping) had: u64,
    /// What need not be kept may all go.
    pub(in crate::shipping) idle: bool,
}

impl Books {
    /// Sees to it that the thread has its turn. True if the shipper has to be woken.
    pub(super) fn call(&mut self, key: &ThreadKey) -> bool {
        let Some(account) = self.accounts.get_mut(key) else {
            return false;
        };
        match account.state {
            // It is tried again when the local log is looked through.
            State::Resting if account.stopped && !account.look => false,
            State::Resting => {
                account.state = State::Queued;
                self.queue.push_back(key.clone());
                true
            }
            State::Moving => {
                account.again = true;
                false
            }
            State::Queued | State::Parked => false,
        }
    }

    /// The next errand, if one may begin now.
    pub(in crate::shipping) fn next(&mut self, now: Instant) -> Option<Errand> {
        if let Some(outage) = &self.outage
            && (now < outage.until || self.moving > 0)
        {
            // While the remote log is away, one at a time finds out whether it is back.
            return None;
        }
        let key = self.queue.pop_front()?;
        let account = self.accounts.get_mut(&key)?;
        account.state = State::Moving;
        account.again = false;
        account.set_out = self.looks_begun;
        if std::mem::take(&mut account.look) {
            account.known = false;
        }
        self.moving += 1;
        Some(Errand {
            knows: Some(account.shipped).filter(|_| account.known),
            differed: account.differed,
            was_ahead: account.was_ahead,
            had: account.had,
            idle: account.idle,
            key,
        })
    }

    /// Queues those whose pause is over.
    pub(in crate::shipping) fn unpark(&mut self, now: Instant) {
        let (accounts, queue) = (&mut self.accounts, &mut self.queue);
        self.parked.retain(|(until, key)| {
            if *until > now {
                return true;
            }
            if let Some(account) = accounts.get_mut(key) {
                account.state = State::Queued;
                queue.push_back(key.clone());
            }
            false
        });
    }

    /// When to look for an errand although nothing has happened.
    pub(in crate::shipping) fn next_turn(&self) -> Option<Instant> {
        let parked = self.parked.iter().map(|(until, _)| *until).min();
        let outage = self.outage.as_ref().map(|outage| outage.until);
        let waits = !self.queue.is_empty() && self.moving == 0;
        parked.into_iter().chain(outage.filter(|_| waits)).min()
    }

    /// A courier has found something out, whatever comes of it. Which ordinals the remote log had and has lost, if any.
    pub(in crate::shipping) fn found(
        &mut self,
        key: &ThreadKey,
        news: &News,
        now: Instant,
    ) -> Option<RangeInclusive<u64>> {
        let lost = self.with(key, 0, |account| {
            let lost = news.target.and_then(|bounds| account.reaches(bounds));
            if let Some(ordinal) = news.compared {
                account.compared(ordinal);
            }
            if let Some(ordinal) = news.uncompared {
                account.uncompared(ordinal);
            }
            if let Some((shipped, last)) = news.place {
                account.found(shipped, last, now);
            }
            if let Some((ordinal, at)) = news.oldest {
                let age = Utc::now().signed_duration_since(at).to_std();
                let since = now.checked_sub(age.unwrap_or_default());
                account.date(ordinal, since.unwrap_or(now));
            }
            lost
        });
        if let Some(lost) = &lost {
            self.lost += lost.end() - lost.start() + 1;
        }
        lost
    }

    /// Up to where nobody could compare a thread in both logs.
    pub(in crate::shipping) fn uncompared(&self, key: &ThreadKey) -> u64 {
        let account = self.accounts.get(key);
        account.map_or(0, |account| account.uncompared)
    }

    /// A page was shipped. True if the courier goes on: it may, the thread has more, and no other waits for its
    /// turn.
    pub(in crate::shipping) fn moved(
        &mut self,
        key: &ThreadKey,
        moved: &Moved,
        may_go_on: bool,
    ) -> bool {
        self.answers();
        self.served.pages += 1;
        let count = moved.last - moved.first + 1;
        self.shipped += count;
        self.sized(count, moved.bytes);
        let goes_on = may_go_on && self.queue.is_empty();
        let mut more = moved.more;
        self.with(key, 0, |account| {
            account.moved(moved.first, moved.last, moved.bytes);
            more |= account.waiting() > 0;
            account.again |= more && !goes_on;
        });
        more && goes_on
    }

    /// The remote log has all of the thread.
    pub(in crate::shipping) fn level(&mut self, key: &ThreadKey, level: Level) {
        self.answers();
        self.with(key, 0, |account| {
            account.shipped_to(level.source);
            account.proved = account.proved.max(level.target);
            account.erased = level.erased;
        });
    }

    /// The remote log answers.
    fn answers(&mut self) {
        self.outage = None;
        self.pauses.reset();
        self.served.answers += 1;
    }

    /// The courier of a thread is back. It sets out again if something came meanwhile.
    pub(in crate::shipping) fn ended(&mut self, key: &ThreadKey) {
        self.moving = self.moving.saturating_sub(1);
        if let Some(account) = self.accounts.get_mut(key)
            && account.state == State::Moving
        {
            account.state = State::Resting;
            if std::mem::take(&mut account.again) || account.look {
                self.call(key);
            }
        }
    }

    /// A thread's courier failed. Says what is to be told of it.
    pub(in crate::shipping) fn failed(
        &mut self,
        key: &ThreadKey,
        error: ReplicateError,
        now: Instant,
    ) -> Told {
        let error = Arc::new(error);
        if error.is_answer() {
            self.answers();
        }
        let (served, looked) = (self.served, self.looked);
        let failure = self.with(key, 0, |account| account.failed(&error, served, looked));
        match failure {
            Failure::Refused(told) => {
                // Behind the others: who asks whether the remote log is back is another one each time.
                self.queue.push_back(key.clone());
                self.is_away(error, now);
                told
            }
            Failure::Parked(pause, told) => {
                self.parked.push((now + pause, key.clone()));
                told
            }
            Failure::Stopped(told) => told,
        }
    }

    /// The remote log did not answer.
    fn is_away(&mut self, error: Arc<ReplicateError>, now: Instant) {
        // What it had may be gone when it is back.
        self.checks.doubt();
        match &mut self.outage {
            // Those that were under way with the first one fail for the same reason.
            Some(outage) if outage.until > now => outage.error = error,
            _ => {
                let until = now + self.pauses.take();
                self.outage = Some(Outage { until, error });
            }
        }
    }

    /// What a courier that did not come back was about.
    pub(in crate::shipping) fn restart(&mut self) {
        self.moving = 0;
        self.checks.want();
        for (key, account) in &mut self.accounts {
            if account.state == State::Moving {
                account.state = State::Queued;
                account.look = true;
                self.queue.push_back(key.clone());
            }
        }
    }
}

#[cfg(test)]
mod tests;
