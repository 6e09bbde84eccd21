//! How long to leave a log alone that has just failed, and room for others between two pages.

use std::collections::hash_map::RandomState;
use std::future::poll_fn;
use std::hash::BuildHasher;
use std::task::Poll;
use std::time::Duration;

/// Pauses that double, half of each by chance: those that failed together must not come back together.
#[derive(Debug)]
pub(crate) struct Pauses {
    first: Duration,
    longest: Duration,
    next: Duration,
}

impl Pauses {
    pub(crate) const fn new(first: Duration, longest: Duration) -> Self {
        Self {
            first,
            longest,
            next: first,
        }
    }

    /// The next pause.
    pub(crate) fn take(&mut self) -> Duration {
        let whole = self.next;
        self.next = (whole * 2).min(self.longest);
        // Each state has keys of its own: all the chance that a pause needs.
        let chance = RandomState::new().hash_one(0_u8) % 1024;
        whole / 2 + (whole / 2 / 1024) * u32::try_from(chance).unwrap_or(0)
    }

    /// It works again: the next pause is the first.
    pub(crate) const fn reset(&mut self) {
        self.next = self.first;
    }
}

/// Lets others have their turn, under any executor: logs that never wait would keep it until all is
/// copied, and nobody could end it.
pub(crate) async fn give_way() {
    let mut gave = false;
    poll_fn(|context| {
        if std::mem::replace(&mut gave, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

#[cfg(test)]
mod tests;
