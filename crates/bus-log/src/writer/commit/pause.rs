//! Between two tries.

use std::time::Instant;

use super::super::config::{LAST_TRY, LONGEST_PAUSE};
use super::{Commit, Phase, call};

impl Commit {
    /// Waits a little longer each time, fails those whose time is over, and leaves none of them in doubt
    /// who need not be.
    pub(super) async fn pause(&mut self) {
        self.again = true;
        self.expire();
        let begun = Instant::now();
        let end = begun + self.pause;
        self.pause = (self.pause * 2).min(LONGEST_PAUSE);
        // Once somebody's time has run out: who runs out of it before this moment is waited for too.
        let mut closing = None;
        loop {
            let now = Instant::now();
            let deadline = match self.earliest() {
                None => end,
                Some(earliest) if closing.is_some() => earliest,
                // One more try before somebody's time is over, early enough that its answer is known
                // by then: an event whose last try is under way is in doubt.
                Some(earliest) => {
                    let last_try = earliest.checked_sub(LAST_TRY);
                    let last_try = last_try.filter(|at| *at > begun);
                    last_try.unwrap_or(earliest).min(end)
                }
            };
            if self.is(Phase::Abandoning) {
                return;
            }
            if now >= deadline {
                let over = self.earliest().is_some_and(|earliest| earliest <= now);
                self.expire();
                if over && closing.is_none() {
                    // Not longer than was waited already: whoever comes only now is tried at once.
                    closing = Some(now + LAST_TRY.min(now - begun));
                }
                // Those who came soon after would be in doubt by a try that begins now.
                let near = closing.zip(self.earliest());
                if near.is_some_and(|(until, earliest)| earliest < until) {
                    continue;
                }
                return;
            }
            // A nudge may bring an earlier deadline.
            call::nap(&mut self.phase, &self.slot, deadline, Phase::Abandoning).await;
        }
    }
}
