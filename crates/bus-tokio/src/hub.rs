//! Many sessions in one process.

mod config;
mod sessions;

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bus_core::{TenantId, ThreadKey};
use bus_log::{AuditStats, LogWriter, SessionLog};

use crate::ring::Feed;
use crate::subscriber::sealed::Sealed;
use crate::{Envelope, FromEnvelope, SessionBus, Subscriber};
use sessions::Sessions;

pub use config::HubConfig;

/// The sessions of one process over one log: a bus for each, made when it is asked for and let go
/// when nobody uses it; and subscribers across all of them.
///
/// All share the log's one writer, and so its thread and its group commits. Cloning is cheap, and a
/// clone shares everything. There is no task and no timer behind it.
///
/// ```
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// # use std::sync::Arc;
/// # use bus_tokio::{InMemorySessionLog, SessionEvent, SessionHub, TenantId, ThreadKey};
/// # let log = Arc::new(InMemorySessionLog::new());
/// let hub = SessionHub::new(log);
/// let mut wall = hub.subscribe_all();
/// let key = ThreadKey::new(TenantId::new("acme"), "session-7");
/// hub.bus(&key).emit(SessionEvent::Thinking);
/// assert_eq!(*wall.recv().await?.key, key);
/// hub.close().await;
/// # Ok::<(), bus_tokio::RecvError>(())
/// # }).unwrap();
/// ```
///
/// # Which buses there are
///
/// For one key there is never more than one bus alive: whoever asks gets a clone of it, as long as
/// anybody has a clone, an audit sink, a subscriber or a follower of it, or something is on its way
/// into the log. A bus that nobody uses is let go after [`idle`](HubConfig::idle). The next who asks
/// gets a new one, which counts [`seq`](Envelope::seq) from the start; ordinals go on. The hub looks for idle buses
/// while buses are asked for. Each new bus checks four others for idleness, each lookup of an existing one checks one;
/// so at most about a third of all buses are idle leftovers. While nobody asks, nothing is let go:
/// [`let_go`](Self::let_go) checks all buses, for a process that may not ask for one in a long time.
///
/// # Memory
///
/// On a 64-bit machine a bus takes at most 2,048 bytes before its first durable event, the hub's own entry
/// and three copies of a key of 30 bytes included, whether clones hold it or not. What its line grows to
/// by durable events is given back when the hub next looks at it; the allocator may keep it for
/// others. One that was let go takes nothing. A subscriber adds what it is behind.
///
/// # The end
///
/// [`close`](Self::close) waits for all that was taken, of all sessions; a bus's own
/// [`close`](SessionBus::close) waits as well, and ends nothing. Subscribers to many sessions find the end when
/// the last clone of the hub is gone and the last of its buses; the last of them to be dropped joins
/// the log's writer.
#[derive(Clone)]
pub struct SessionHub {
    inner: Arc<Inner>,
}

struct Inner {
    sessions: Mutex<Sessions>,
    writer: LogWriter,
    config: HubConfig,
}

/// A subscriber to the sessions of a [`SessionHub`].
pub type HubSubscriber = Subscriber<HubEnvelope>;

/// An envelope, and the session on whose bus it was.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct HubEnvelope {
    /// The session.
    pub key: Arc<ThreadKey>,
    /// What its own subscribers get. Its `seq` is of that bus.
    pub envelope: Arc<Envelope>,
}

impl Sealed for HubEnvelope {}

impl FromEnvelope for HubEnvelope {
    fn open(envelope: Arc<Envelope>) -> Option<Self> {
        let key = Arc::clone(envelope.thread.as_ref()?);
        Some(Self { key, envelope })
    }
}

impl SessionHub {
    /// A hub over `log`, with defaults.
    #[must_use]
    pub fn new(log: Arc<dyn SessionLog>) -> Self {
        Self::with_config(log, HubConfig::default())
    }

    /// A hub over `log`.
    #[must_use]
    pub fn with_config(log: Arc<dyn SessionLog>, config: HubConfig) -> Self {
        Self {
            inner: Arc::new(Inner {
                sessions: Mutex::new(Sessions::new(config.hub_capacity)),
                writer: LogWriter::with_config(log, config.writer.clone()),
                config,
            }),
        }
    }

    /// The bus of a session: the one that there is, or a new one.
    #[must_use]
    pub fn bus(&self, key: &ThreadKey) -> SessionBus {
        let mut sessions = self.sessions();
        if let Some(bus) = sessions.get(key) {
            let unused = sessions.sweep_one(self.inner.config.idle);
            drop(sessions);
            drop(unused);
            return bus;
        }
        let unused = sessions.sweep_some(self.inner.config.idle);
        let key = Arc::new(key.clone());
        let feeds = sessions.feeds(key.tenant_id());
        let bus = SessionBus::tapped(self.inner.config.capacity, Arc::clone(&key), feeds)
            .with_durability(self.inner.config.durability)
            .with_lent_writer(&self.inner.writer, (*key).clone());
        sessions.insert(key, bus.clone());
        drop(sessions);
        drop(unused);
        bus
    }

    /// A subscriber to all sessions, those that come later too: every envelope with its session's key,
    /// each session's in the order of its bus.
    ///
    /// It may fall behind by [`hub_capacity`](HubConfig::hub_capacity) envelopes, then it is told
    /// exactly how many it lost, of all sessions together. It keeps no bus from being let go.
    pub fn subscribe_all(&self) -> HubSubscriber {
        subscribe(self.sessions().all())
    }

    /// As [`subscribe_all`](Self::subscribe_all), for the sessions of one tenant: it neither sees nor
    /// counts those of others.
    pub fn subscribe_tenant(&self, tenant: &TenantId) -> HubSubscriber {
        subscribe(&self.sessions().tenant(tenant))
    }

    /// The keys of the buses that there are now, in byte order.
    #[must_use]
    pub fn keys(&self) -> Vec<ThreadKey> {
        let sessions = self.sessions();
        let mut keys: Vec<_> = sessions.buses().map(|(key, _)| key.clone()).collect();
        drop(sessions);
        keys.sort_unstable();
        keys
    }

    /// How many buses there are now.
    #[must_use]
    pub fn len(&self) -> usize {
        self.sessions().len()
    }

    /// True if there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Looks at every bus, lets go of those that were found unused [`idle`](HubConfig::idle) ago and
    /// are so still, and returns how many. Time counts from the first look that finds one unused.
    pub fn let_go(&self) -> usize {
        let unused = self.sessions().sweep_all(self.inner.config.idle);
        unused.len()
    }

    /// What became of the audit records of all sessions.
    #[must_use]
    pub fn audit_stats(&self) -> AuditStats {
        self.inner.writer.stats()
    }

    /// Waits until everything that was handed to any of its buses before is durable or has failed,
    /// and was broadcast. While the log is down it waits.
    pub async fn flush(&self) {
        for bus in self.buses() {
            bus.flush_line().await;
        }
        self.inner.writer.flush().await;
    }

    /// As [`SessionBus::close`], for all sessions at once: takes no more, waits for what was taken,
    /// and returns the final count. Its buses go on live, and so do new ones.
    pub async fn close(&self) -> AuditStats {
        SessionBus::close_all(&self.buses(), self.inner.writer.close()).await
    }

    fn buses(&self) -> Vec<SessionBus> {
        let sessions = self.sessions();
        sessions.buses().map(|(_, bus)| bus.clone()).collect()
    }

    fn sessions(&self) -> MutexGuard<'_, Sessions> {
        let sessions = self.inner.sessions.lock();
        sessions.unwrap_or_else(PoisonError::into_inner)
    }
}

fn subscribe(feed: &Arc<Feed>) -> HubSubscriber {
    Subscriber::new(feed.ring().subscribe())
}

impl fmt::Debug for SessionHub {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionHub")
            .field("buses", &self.len())
            .field("config", &self.inner.config)
            .finish_non_exhaustive()
    }
}
