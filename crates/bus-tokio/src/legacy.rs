//! The channel that came before the bus.

use std::panic::{AssertUnwindSafe, catch_unwind};

use bus_core::{Event, SessionEvent};
use tokio::sync::mpsc::{Sender, error::TrySendError};

use crate::warn::debug_legacy_full;

/// A channel that gets every session event it has room for.
pub(crate) struct Legacy(Sender<SessionEvent>);

impl Legacy {
    pub(crate) const fn new(sender: Sender<SessionEvent>) -> Self {
        Self(sender)
    }

    /// Never blocks or panics. What finds no room is lost to the channel, and to nobody else.
    pub(crate) fn send(&self, event: &Event) {
        let Event::Session(event) = event else { return };
        // Whoever reads the channel is woken by a waker of theirs, which may panic.
        let _ = catch_unwind(AssertUnwindSafe(|| self.try_send(event)));
    }

    fn try_send(&self, event: &SessionEvent) {
        // Asked first, so that a channel without room costs no copy.
        match self.0.try_reserve() {
            Ok(permit) => permit.send(event.clone()),
            Err(TrySendError::Full(())) => debug_legacy_full(event.event_type()),
            Err(TrySendError::Closed(())) => {}
        }
    }
}
