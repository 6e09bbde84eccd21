//! How long a live event waits for a log that is behind.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures_timer::Delay;

/// The time that the log has to reach what a live event must come after.
pub(crate) struct Patience {
    /// `None`: any time.
    limit: Option<Duration>,
    delay: Option<Delay>,
    /// The log was too late for this ordinal: until it is there, nothing waits.
    late_for: u64,
}

impl Patience {
    pub(crate) const fn new(limit: Option<Duration>) -> Self {
        Self {
            limit,
            delay: None,
            late_for: 0,
        }
    }

    /// Waits until an event has waited for long enough for the log, which is at `cursor`, to reach `last`: from the first call
    /// on that is made for it.
    pub(super) fn poll_over(&mut self, cursor: u64, last: u64, cx: &mut Context<'_>) -> Poll<()> {
        if cursor >= self.late_for {
            let Some(limit) = self.limit else {
                return Poll::Pending;
            };
            let delay = self.delay.get_or_insert_with(|| Delay::new(limit));
            ready!(Pin::new(delay).poll(cx));
            self.late_for = last;
        }
        self.delay = None;
        Poll::Ready(())
    }

    /// The log was there in time.
    pub(super) fn renew(&mut self) {
        self.delay = None;
    }

    /// Whether its time runs.
    #[cfg(test)]
    pub(super) const fn runs(&self) -> bool {
        self.delay.is_some()
    }
}
