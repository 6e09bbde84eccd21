//! The buses of a hub.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bus_core::{TenantId, ThreadKey};

use crate::SessionBus;
use crate::ring::{Feed, Feeds};

/// How many buses are looked at for each new one. More than one, so that the hand goes round before
/// there are twice as many.
const LOOKED_AT: usize = 4;

/// Every bus that may be in use, and those that were not long ago.
pub(super) struct Sessions {
    places: HashMap<Arc<ThreadKey>, usize>,
    sessions: Vec<Session>,
    /// The next to be looked at.
    hand: usize,
    all: Arc<Feed>,
    tenants: HashMap<TenantId, Arc<Feed>>,
    /// Number of tenants at which those that nobody uses are swept out.
    sweep_tenants_at: usize,
    feed_capacity: usize,
}

struct Session {
    key: Arc<ThreadKey>,
    bus: SessionBus,
    /// Since when it was seen unused.
    idle_since: Option<Instant>,
}

impl Sessions {
    pub(super) fn new(feed_capacity: usize) -> Self {
        Self {
            places: HashMap::new(),
            sessions: Vec::new(),
            hand: 0,
            all: Arc::new(Feed::new(feed_capacity)),
            tenants: HashMap::new(),
            sweep_tenants_at: 64,
            feed_capacity,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.sessions.len()
    }

    pub(super) fn buses(&self) -> impl Iterator<Item = (&ThreadKey, &SessionBus)> {
        let sessions = self.sessions.iter();
        sessions.map(|session| (&*session.key, &session.bus))
    }

    pub(super) fn get(&mut self, key: &ThreadKey) -> Option<SessionBus> {
        let session = &mut self.sessions[*self.places.get(key)?];
        session.idle_since = None;
        Some(session.bus.clone())
    }

    pub(super) fn insert(&mut self, key: Arc<ThreadKey>, bus: SessionBus) {
        self.places.insert(Arc::clone(&key), self.sessions.len());
        self.sessions.push(Session {
            key,
            bus,
            idle_since: None,
        });
    }

    /// The places where a new session of a tenant shows its envelopes.
    pub(super) fn feeds(&mut self, tenant: &TenantId) -> Feeds {
        [Arc::clone(&self.all), self.tenant(tenant)]
    }

    pub(super) const fn all(&self) -> &Arc<Feed> {
        &self.all
    }

    pub(super) fn tenant(&mut self, tenant: &TenantId) -> Arc<Feed> {
        if let Some(feed) = self.tenants.get(tenant) {
            return Arc::clone(feed);
        }
        if self.tenants.len() >= self.sweep_tenants_at {
            self.tenants
                .retain(|_, feed| Arc::strong_count(feed) > 1 || feed.ring().receivers() > 0);
            self.sweep_tenants_at = (2 * self.tenants.len()).max(64);
        }
        let feed = Arc::new(Feed::new(self.feed_capacity));
        self.tenants.insert(tenant.clone(), Arc::clone(&feed));
        feed
    }

    /// Takes out some of those that were unused for `idle`. They are to be dropped outside the
    /// hub's lock.
    pub(super) fn sweep_some(&mut self, idle: Duration) -> Vec<SessionBus> {
        self.sweep(LOOKED_AT.min(self.len()), idle)
    }

    /// Takes out the next, if it is one of those.
    pub(super) fn sweep_one(&mut self, idle: Duration) -> Vec<SessionBus> {
        self.sweep(1, idle)
    }

    /// Takes out all of those.
    pub(super) fn sweep_all(&mut self, idle: Duration) -> Vec<SessionBus> {
        self.hand = 0;
        self.sweep(self.len(), idle)
    }

    fn sweep(&mut self, count: usize, idle: Duration) -> Vec<SessionBus> {
        let mut out = Vec::new();
        let now = Instant::now();
        for _ in 0..count {
            if self.hand >= self.sessions.len() {
                self.hand = 0;
            }
            let session = self.sessions.get_mut(self.hand);
            if session.is_some_and(|session| session.is_over(now, idle)) {
                out.extend(self.take_out(self.hand));
            } else {
                self.hand += 1;
            }
        }
        if self.sessions.len() < self.sessions.capacity() / 4 {
            self.sessions.shrink_to(self.sessions.len() * 2);
            self.places.shrink_to(self.places.len() * 2);
        }
        out
    }

    /// The last one gets its place.
    fn take_out(&mut self, place: usize) -> Option<SessionBus> {
        if place >= self.sessions.len() {
            return None;
        }
        let gone = self.sessions.swap_remove(place);
        self.places.remove(&gone.key);
        if let Some(moved) = self.sessions.get(place)
            && let Some(its_place) = self.places.get_mut(&moved.key)
        {
            *its_place = place;
        }
        Some(gone.bus)
    }
}

impl Session {
    /// Whether it was unused for `idle`. If it is, it gives back what room it has.
    fn is_over(&mut self, now: Instant, idle: Duration) -> bool {
        self.bus.shrink();
        if !self.bus.is_held_by_one_only() {
            self.idle_since = None;
            return false;
        }
        let since = *self.idle_since.get_or_insert(now);
        now.saturating_duration_since(since) >= idle
    }
}
