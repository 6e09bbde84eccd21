//! How a hub makes its buses.

use std::time::Duration;

use bus_log::{DurabilityPolicy, LogWriterConfig};

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
/// assert_eq!(config.capacity, 256);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct HubConfig {
    /// The capacity of each session's bus: see [`SessionBus::new`](crate::SessionBus::new). It takes no
    /// memory before somebody is that far behind. 1,024 by default.
    pub capacity: usize,
    /// How many envelopes, over all their sessions, those may be behind who subscribe to many. 16,384
    /// by default.
    pub hub_capacity: usize,
    /// What is durable: see [`SessionBus::with_durability`](crate::SessionBus::with_durability).
    pub durability: DurabilityPolicy,
    /// For how long a bus is kept that nobody uses, at least: it is let go when the hub comes to it,
    /// which it does while buses are asked for. See [which buses there
    /// are](crate::SessionHub#which-buses-there-are). 60 s by default.
    pub idle: Duration,
    /// The one writer that all sessions share.
    pub writer: LogWriterConfig,
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
    /// The same with another capacity of each bus; 0 is taken as 1, and all are rounded up to a power
    /// of two.
    #[must_use]
    pub fn with_capacity(mut self, envelopes: usize) -> Self {
        self.capacity = envelopes.max(1);
        self
    }

    /// The same with another capacity for those who subscribe to many sessions; 0 is taken as 1.
    #[must_use]
    pub fn with_hub_capacity(mut self, envelopes: usize) -> Self {
        self.hub_capacity = envelopes.max(1);
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
