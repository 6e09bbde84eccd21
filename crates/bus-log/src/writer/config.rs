//! How a writer queues, batches and retries.

use std::time::Duration;

use super::gate::{MOST_BYTES, MOST_RECORDS};

/// How a [`LogWriter`](crate::LogWriter) queues, batches and retries.
///
/// ```
/// use std::time::Duration;
/// use bus_log::LogWriterConfig;
///
/// let config = LogWriterConfig::default()
///     .with_audit_queue(1_000)
///     .with_close_timeout(Duration::from_secs(2));
/// assert_eq!(config.audit_queue(), 1_000);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LogWriterConfig {
    pub(super) audit_queue: usize,
    pub(super) audit_bytes: usize,
    pub(super) sink_queue: usize,
    pub(super) sink_bytes: usize,
    pub(super) retry_for: Duration,
    pub(super) close_timeout: Duration,
}

/// Entries of one append, at most.
pub(super) const BATCH_ENTRIES: usize = 1024;

/// Encoded bytes after which an append takes no further entry.
pub(super) const BATCH_BYTES: usize = 1 << 20;

/// Calls into one log under way at a time, over all thread keys.
pub(super) const CALLS_IN_FLIGHT: usize = 256;

/// The first pause after a transient error; each further one is twice as long.
pub(super) const FIRST_PAUSE: Duration = Duration::from_millis(10);

/// How long before its time is over no try of an event begins any more, or a tenth of its time if that is shorter: a log on a
/// busy machine has answered by then.
pub(super) const LAST_TRY: Duration = Duration::from_millis(500);

/// The longest pause after a transient error.
pub(super) const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// How many times a gap that the log refuses for good is tried before later records pass it.
pub(super) const GAP_TRIES: u32 = 5;

/// The longest pause before a gap that the log refused is tried again.
pub(super) const LONGEST_GAP_PAUSE: Duration = Duration::from_secs(60);

/// How long a key's writer stays awake for more audit records after a batch. Waking a thread costs
/// the caller some 10 µs, so it must not happen for every record.
pub(super) const LINGER: Duration = Duration::from_millis(1);

/// As good as for ever, and yet it can be added to an `Instant`.
const FOREVER: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);

impl Default for LogWriterConfig {
    fn default() -> Self {
        Self {
            audit_queue: 65_536,
            audit_bytes: 64 << 20,
            sink_queue: 65_536,
            sink_bytes: 64 << 20,
            retry_for: Duration::from_secs(5),
            close_timeout: Duration::from_secs(10),
        }
    }
}

impl LogWriterConfig {
    /// Audit records accepted and not yet settled, at most, over all thread keys; records past it
    /// are dropped and counted. 65,536 by default.
    #[must_use]
    pub const fn audit_queue(&self) -> usize {
        self.audit_queue
    }

    /// Bytes of those records from which on no more are taken: what is kept passes it by less than one
    /// record. A record counts as the bytes of its texts and some 30 more; one that is made of an event
    /// of your own, as those of its JSON text and some 500 more. 64 MiB by default.
    #[must_use]
    pub const fn audit_bytes(&self) -> usize {
        self.audit_bytes
    }

    /// Events submitted and not yet settled, at most, over all thread keys; `submit` waits for room
    /// past it. 65,536 by default.
    #[must_use]
    pub const fn sink_queue(&self) -> usize {
        self.sink_queue
    }

    /// Bytes of those events from which on `submit` waits for room: what is kept passes it by less than
    /// one event. An event counts as the bytes of its JSON text and some 500 more. 64 MiB by default.
    #[must_use]
    pub const fn sink_bytes(&self) -> usize {
        self.sink_bytes
    }

    /// How long the sink face tries to write an event, from its submission: as long may `emit`
    /// block on a log that fails. No try begins in its last tenth, or half second if that is shorter: what is not in a
    /// try by then is given up, and out for certain. 5 s by default.
    #[must_use]
    pub const fn retry_for(&self) -> Duration {
        self.retry_for
    }

    /// How long `close`, and the drop of the last face over a log, wait for a log that settles
    /// nothing at all; one that is merely slow is waited for. 10 s by default.
    #[must_use]
    pub const fn close_timeout(&self) -> Duration {
        self.close_timeout
    }

    /// Sets the bound of the audit queue: at least 1, at most 2^27 records. What is past a bound is
    /// taken as the bound.
    #[must_use]
    pub fn with_audit_queue(mut self, records: usize) -> Self {
        self.audit_queue = records.clamp(1, MOST_RECORDS);
        self
    }

    /// Sets the bound of the audit queue's bytes: at least 1, at most 32 GiB.
    #[must_use]
    pub fn with_audit_bytes(mut self, bytes: usize) -> Self {
        self.audit_bytes = bytes.clamp(1, MOST_BYTES);
        self
    }

    /// Sets the bound of the sink's queue: at least 1.
    #[must_use]
    pub fn with_sink_queue(mut self, events: usize) -> Self {
        self.sink_queue = events.max(1);
        self
    }

    /// Sets the bound of the sink's queue in bytes: at least 1, at most 32 GiB.
    #[must_use]
    pub fn with_sink_bytes(mut self, bytes: usize) -> Self {
        self.sink_bytes = bytes.clamp(1, MOST_BYTES);
        self
    }

    /// Sets how long the durable sink tries, at most a century.
    #[must_use]
    pub fn with_retry_for(mut self, time: Duration) -> Self {
        self.retry_for = time.min(FOREVER);
        self
    }

    /// Sets how long to wait for a log that stays down, at most a century.
    #[must_use]
    pub fn with_close_timeout(mut self, time: Duration) -> Self {
        self.close_timeout = time.min(FOREVER);
        self
    }
}
