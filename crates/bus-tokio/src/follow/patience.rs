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
    /// The log was too late, and has not caught up since: nothing waits for it.
    is_over: bool,
}

impl Patience {
    pub(crate) const fn new(limit: Option<Duration>) -> Self {
        Self {
            limit,
            delay: None,
            is_over: false,
        }
    }

    /// Waits until it is over, from the first call on.
    pub(super) fn poll_over(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.is_over {
            return Poll::Ready(());
        }
        let Some(limit) = self.limit else {
            return Poll::Pending;
        };
        let delay = self.delay.get_or_insert_with(|| Delay::new(limit));
        ready!(Pin::new(delay).poll(cx));
        (self.delay, self.is_over) = (None, true);
        Poll::Ready(())
    }

    /// The log was there in time.
    pub(super) fn renew(&mut self) {
        (self.delay, self.is_over) = (None, false);
    }
}
