//! Rings that show the envelopes of many sessions.

use std::sync::Arc;

use bus_core::ThreadKey;

use super::{Left, Ring};
use crate::Envelope;

/// A ring that other rings show their envelopes on. It ends when nobody is left who could.
pub(crate) struct Feed(Arc<Ring>);

/// Where one session's ring shows its envelopes as well.
pub(crate) struct Tap {
    pub(crate) key: Arc<ThreadKey>,
    /// All sessions, and those of the tenant.
    pub(crate) feeds: [Arc<Feed>; 2],
}

impl Feed {
    pub(crate) fn new(capacity: usize) -> Self {
        Self(Arc::new(Ring::new(capacity)))
    }

    pub(crate) const fn ring(&self) -> &Arc<Ring> {
        &self.0
    }
}

impl Drop for Feed {
    fn drop(&mut self) {
        self.0.close();
    }
}

impl Tap {
    pub(super) fn has_receivers(&self) -> bool {
        self.feeds.iter().any(|feed| feed.0.receivers() > 0)
    }

    /// Shows the envelope. Called under the lock of the session's ring, so that the order there is
    /// the order here: it wakes nobody and drops nothing.
    pub(super) fn show(&self, envelope: &Arc<Envelope>) -> [Option<Left<'_>>; 2] {
        self.feeds
            .each_ref()
            .map(|feed| feed.0.show_other(envelope))
    }
}
