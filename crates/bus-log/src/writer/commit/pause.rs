//! Between two tries.

use std::time::Instant;

use super::super::config::LONGEST_PAUSE;
use super::{Commit, Phase, call};

impl Commit {
    /// Waits a little longer each time, and fails those meanwhile whose time is over.
    pub(super) async fn pause(&mut self) {
        self.again = true;
        let longest = self.work.tags().filter_map(|tag| tag.until);
        let longest = longest.map(|until| until.longest_pause()).min();
        let longest = longest.map_or(LONGEST_PAUSE, |pause| pause.min(LONGEST_PAUSE));
        let end = Instant::now() + self.pause.min(longest);
        self.pause = (self.pause * 2).min(LONGEST_PAUSE);
        loop {
            let next = self.expire();
            if self.is(Phase::Abandoning) || Instant::now() >= end {
                return;
            }
            // A nudge may bring one whose time is over earlier.
            let deadline = next.map_or(end, |next| next.min(end));
            call::nap(&mut self.phase, &self.slot, deadline, Phase::Abandoning).await;
        }
    }
}
