//! Rings that show the envelopes of many sessions.

use std::sync::Arc;

use bus_core::ThreadKey;

use super::{Left, Ring};
use crate::Envelope;

/// A ring that other rings show their envelopes on. It ends when nobody is left who could: a ring
/// holds its feeds until it is closed.
pub(crate) struct Feed(Arc<Ring>);

/// Where one session's ring shows its envelopes as well.
pub(crate) struct Tap {
    key: Arc<ThreadKey>,
    /// Those of [`Feeds`]; they may have ended, as the session's ring has then.
    rings: [Arc<Ring>; 2],
}

/// All sessions, and those of the tenant.
pub(crate) type Feeds = [Arc<Feed>; 2];

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
    pub(super) fn new(key: Arc<ThreadKey>, feeds: &Feeds) -> Self {
        let rings = feeds.each_ref().map(|feed| Arc::clone(&feed.0));
        Self { key, rings }
    }

    pub(super) const fn key(&self) -> &Arc<ThreadKey> {
        &self.key
    }

    pub(super) fn has_receivers(&self) -> bool {
        self.rings.iter().any(|ring| ring.receivers() > 0)
    }

    /// Shows the envelope. Called under the lock of the session's ring, so that the order there is
    /// the order here: it wakes nobody and drops nothing.
    pub(super) fn show(&self, envelope: &Arc<Envelope>) -> [Option<Left<'_>>; 2] {
        self.rings.each_ref().map(|ring| ring.show_other(envelope))
    }
}
