//! How a hub makes its buses.

use std::time::Duration;

use bus_log::{DurabilityPolicy, LogWriterConfig};

use crate::SessionBus;

/// How a [`SessionHub`](crate::SessionHub) makes its buses, and when it lets go of them.
///
/// ```
/// use std::time::Duration;
/// use bus_tokio::{DurabilityPolicy, HubConfig};
///
/// let config = HubConfig::default()
///     .with_capacity(256)
///     .with_durability(DurabilityPolicy::Transcript)
///     .with_idle(Duration::from_secs(10));
/// assert_eq!(config.capacity(), 256);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct HubConfig {
    pub(super) capacity: usize,
    pub(super) hub_capacity: usize,
    pub(super) durability: DurabilityPolicy,
    pub(super) idle: Duration,
    pub(super) writer: LogWriterConfig,
}

impl Default for HubConfig {
    fn default() -> Self {
        Self {
            capacity: 1_024,
            hub_capacity: 16_384,
            durability: DurabilityPolicy::default(),
            idle: Duration::from_secs(60),
            writer: LogWriterConfig::default(),
        }
    }
}

impl HubConfig {
    /// The capacity of each session's bus: see [`SessionBus::new`]. It takes no
    /// memory before somebody is that far behind. 1,024 by default.
    #[must_use]
    pub const fn capacity(&self) -> usize {
        self.capacity
    }

    /// How far a hub subscriber may fall behind, in envelopes over all its sessions. 16,384 by default.
    #[must_use]
    pub const fn hub_capacity(&self) -> usize {
        self.hub_capacity
    }

    /// What is durable: see [`SessionBus::with_durability`].
    #[must_use]
    pub const fn durability(&self) -> DurabilityPolicy {
        self.durability
    }

    /// For how long a bus is kept that nobody uses, at least: it is let go when the hub comes to it,
    /// which it does while buses are asked for. See [which buses there
    /// are](crate::SessionHub#which-buses-there-are). 60 s by default.
    #[must_use]
    pub const fn idle(&self) -> Duration {
        self.idle
    }

    /// The one writer that all sessions share.
    #[must_use]
    pub const fn writer(&self) -> &LogWriterConfig {
        &self.writer
    }

    /// Sets the capacity of each bus, **rounded up to a power of two**.
    ///
    /// # Panics
    ///
    /// Panics if it is 0, or greater than `usize::MAX / 2`, like [`SessionBus::new`].
    #[must_use]
    #[track_caller]
    pub fn with_capacity(mut self, envelopes: usize) -> Self {
        self.capacity = SessionBus::rounded(envelopes);
        self
    }

    /// Sets how far a hub subscriber may fall behind, **rounded up to a power of two**.
    ///
    /// # Panics
    ///
    /// Panics if it is 0, or greater than `usize::MAX / 2`, like [`SessionBus::new`].
    #[must_use]
    #[track_caller]
    pub fn with_hub_capacity(mut self, envelopes: usize) -> Self {
        self.hub_capacity = SessionBus::rounded(envelopes);
        self
    }

    /// The same with another policy.
    #[must_use]
    pub const fn with_durability(mut self, policy: DurabilityPolicy) -> Self {
        self.durability = policy;
        self
    }

    /// The same with another time before an unused bus is let go.
    #[must_use]
    pub const fn with_idle(mut self, time: Duration) -> Self {
        self.idle = time;
        self
    }

    /// The same with a writer of other queues and times.
    #[must_use]
    pub fn with_writer(mut self, writer: LogWriterConfig) -> Self {
        self.writer = writer;
        self
    }
}
