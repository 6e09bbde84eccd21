//! How a log is shipped.

use std::time::Duration;

/// How a [`ShippingLog`](crate::ShippingLog) ships.
///
/// ```
/// use bus_log::ShippingConfig;
///
/// let config = ShippingConfig::default().with_budget(Some(256 << 20)).with_keep(Some(10_000));
/// assert_eq!(config.budget(), Some(256 << 20));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ShippingConfig {
    pub(super) budget: Option<u64>,
    pub(super) keep: Option<u64>,
    pub(super) look_every: Duration,
    pub(super) longest_pause: Duration,
    pub(super) answer_within: Duration,
    pub(super) threads_at_once: usize,
    pub(super) patience: Duration,
}

impl Default for ShippingConfig {
    fn default() -> Self {
        Self {
            budget: Some(1 << 30),
            keep: None,
            look_every: Duration::from_secs(60),
            longest_pause: Duration::from_secs(30),
            answer_within: Duration::from_secs(60),
            threads_at_once: 8,
            patience: Duration::from_secs(10),
        }
    }
}

impl ShippingConfig {
    /// Bytes that may wait to be shipped, in [`encoded_bytes`](crate::encoded_bytes): where that many do,
    /// appends fail with `Unavailable` until some are shipped. What waits passes it by less than one
    /// batch for each append under way. `None`: no bound but the local log's own. 1 GiB by default.
    ///
    /// It counts what was appended since this log was opened, without what stopped threads have. While the
    /// remote log is away it counts besides what waits from before, by the average size of events: as far as the
    /// remote log was asked about it, and where [`keep`](Self::keep) is set, whatever the local log would have
    /// given back by now. So a host that is started again and again during an outage stays within it, and one that
    /// has much to ship is not held up while that goes on.
    #[must_use]
    pub const fn budget(&self) -> Option<u64> {
        self.budget
    }

    /// Events of each thread that the local log keeps once they are shipped; those before are archived
    /// in it, 1,024 or more at a time, and all of them once the thread is idle: in a file log appends wait
    /// meanwhile. Of a thread that was ever erased nothing is archived. `None`, the default: all are kept.
    #[must_use]
    pub const fn keep(&self) -> Option<u64> {
        self.keep
    }

    /// How often the local log is looked through for what was written past this one, as by another
    /// process, and threads that were stopped are tried again. 60 s by default.
    #[must_use]
    pub const fn look_every(&self) -> Duration {
        self.look_every
    }

    /// The longest pause after an error of the remote log; the first is 50 ms. 30 s by default.
    #[must_use]
    pub const fn longest_pause(&self) -> Duration {
        self.longest_pause
    }

    /// How long the logs may take for one page, of what is shipped or compared, before the remote one counts
    /// as away. 60 s by default.
    #[must_use]
    pub const fn answer_within(&self) -> Duration {
        self.answer_within
    }

    /// Threads that are shipped at once. 8 by default.
    #[must_use]
    pub const fn threads_at_once(&self) -> usize {
        self.threads_at_once
    }

    /// How long [`archive_before`](crate::SessionLog::archive_before) waits for what it hides to be
    /// shipped. 10 s by default.
    #[must_use]
    pub const fn patience(&self) -> Duration {
        self.patience
    }

    /// Sets the bound for the bytes that wait to be shipped.
    #[must_use]
    pub const fn with_budget(mut self, bytes: Option<u64>) -> Self {
        self.budget = bytes;
        self
    }

    /// The same, keeping so many shipped events of each thread in the local log.
    #[must_use]
    pub const fn with_keep(mut self, events: Option<u64>) -> Self {
        self.keep = events;
        self
    }

    /// The same, looking through the local log so often; at most every 10 ms.
    #[must_use]
    pub fn with_look_every(mut self, time: Duration) -> Self {
        self.look_every = time.clamp(Duration::from_millis(10), CENTURY);
        self
    }

    /// Sets the longest pause, 1 ms to a century.
    #[must_use]
    pub fn with_longest_pause(mut self, time: Duration) -> Self {
        self.longest_pause = time.clamp(Duration::from_millis(1), CENTURY);
        self
    }

    /// Sets the time for a page, 1 ms to a century.
    #[must_use]
    pub fn with_answer_within(mut self, time: Duration) -> Self {
        self.answer_within = time.clamp(Duration::from_millis(1), CENTURY);
        self
    }

    /// Sets how many threads are shipped at once; 0 is taken as 1.
    #[must_use]
    pub const fn with_threads_at_once(mut self, threads: usize) -> Self {
        self.threads_at_once = if threads == 0 { 1 } else { threads };
        self
    }

    /// Sets the patience, at most a century.
    #[must_use]
    pub fn with_patience(mut self, time: Duration) -> Self {
        self.patience = time.min(CENTURY);
        self
    }
}

/// As good as for ever, and yet it can be added to an `Instant`.
const CENTURY: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);
