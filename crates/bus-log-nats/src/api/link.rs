//! What the connection's events have told.

use std::collections::VecDeque;

use async_nats::{Event, ServerError};

/// Refusals that are remembered: more than questions are under way when a permission is taken away do no harm.
const REMEMBERED: usize = 256;

/// What the server has refused, as the connection's events tell it. Some may be missing.
#[derive(Clone, Debug, Default)]
pub(crate) struct Link {
    refusals: u64,
    /// Subjects that the server refused to publish to, the last ones.
    refused: VecDeque<String>,
    /// True if answers don't come: the server refuses the subscription to them.
    deaf: bool,
}

impl Link {
    /// How often the server has refused to publish something.
    pub(crate) const fn refusals(&self) -> u64 {
        self.refusals
    }

    /// Whether the server has refused what was asked on that subject, since there were so many refusals.
    pub(crate) fn refuses(&self, subject: &str, before: u64) -> bool {
        let new = usize::try_from(self.refusals.saturating_sub(before)).unwrap_or(usize::MAX);
        self.refused
            .iter()
            .rev()
            .take(new)
            .any(|refused| refused == subject)
    }

    /// Whether no answer to anything comes.
    pub(crate) const fn is_deaf(&self) -> bool {
        self.deaf
    }

    pub(crate) fn hear(&mut self, event: &Event) {
        match event {
            Event::Connected | Event::Disconnected => self.deaf = false,
            Event::ServerError(ServerError::Other(text)) => self.hear_error(text),
            _ => {}
        }
    }

    /// What the server says besides answers: `Permissions Violation for Publish to "SUBJECT"`, or `for Subscription to`.
    fn hear_error(&mut self, text: &str) {
        let mut parts = text.split('"');
        let what = parts.next().unwrap_or_default().to_lowercase();
        let subject = parts.next().unwrap_or_default();
        if !what.contains("permissions violation") {
            return;
        }
        if what.contains("subscription") {
            // The driver has all answers sent to one; whoever else subscribes finds out by silence.
            self.deaf |= subject.starts_with("_INBOX.") && subject.ends_with(".*");
            return;
        }
        self.refusals += 1;
        if self.refused.len() >= REMEMBERED {
            self.refused.pop_front();
        }
        self.refused.push_back(subject.to_owned());
    }
}
