//! The channel that came before the bus.

use bus_core::{Event, SessionEvent};
use tokio::sync::mpsc::{Sender, error::TrySendError};

/// A channel that gets every session event it has room for.
pub(crate) struct Legacy(Sender<SessionEvent>);

impl Legacy {
    pub(crate) const fn new(sender: Sender<SessionEvent>) -> Self {
        Self(sender)
    }

    /// Never blocks. What finds no room is lost to the channel, and to nobody else.
    pub(crate) fn send(&self, event: &Event) {
        let Event::Session(event) = event else { return };
        // Asked first, so that a channel nobody reads costs no copy.
        let permit = self.0.try_reserve();
        match permit {
            Ok(permit) => permit.send(event.clone()),
            Err(TrySendError::Full(())) => {
                tracing::debug!(
                    event_type = event.event_type(),
                    "legacy channel is full; it misses an event"
                );
            }
            Err(TrySendError::Closed(())) => {}
        }
    }
}
