//! What is known of the connection.

use async_nats::{Event, ServerError};

/// The connection's state, as its events tell it.
#[derive(Clone, Debug)]
pub(crate) struct Link {
    up: bool,
    epoch: u64,
    refusals: u64,
    /// The last permission that the server refused, in its words.
    refusal: String,
}

impl Default for Link {
    fn default() -> Self {
        Self {
            up: true,
            epoch: 0,
            refusals: 0,
            refusal: String::new(),
        }
    }
}

impl Link {
    pub(crate) const fn is_up(&self) -> bool {
        self.up
    }

    pub(crate) const fn epoch(&self) -> u64 {
        self.epoch
    }

    pub(crate) const fn refusals(&self) -> u64 {
        self.refusals
    }

    /// Whether the server has refused what was asked on that subject, since there were so many refusals.
    pub(crate) fn refuses(&self, subject: &str, before: u64) -> bool {
        // The inbox is where answers come to: without it there are none to anything.
        self.refusals > before
            && (self.refusal.contains(&subject.to_lowercase()) || self.refusal.contains("_inbox"))
    }

    pub(crate) fn hear(&mut self, event: &Event) {
        match event {
            Event::Connected => self.up = true,
            Event::Disconnected | Event::Closed => {
                self.up = false;
                self.epoch += 1;
            }
            Event::ServerError(ServerError::Other(text)) => {
                let text = text.to_lowercase();
                if text.contains("permissions violation") {
                    self.refusals += 1;
                    self.refusal = text;
                }
            }
            _ => {}
        }
    }
}
