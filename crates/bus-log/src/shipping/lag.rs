//! How far the remote log is behind.

use std::sync::Arc;
use std::time::Duration;

use crate::ReplicateError;

/// How far the remote log of a [`ShippingLog`](crate::ShippingLog) is behind the local one.
///
/// `events`, `bytes` and `threads` are what is known to wait. Threads that the remote log was not asked
/// about yet since this log was opened are in `unchecked`, and count with what was appended since.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct ShippingLag {
    /// Events that wait to be shipped.
    pub events: u64,
    /// Their size, in [`encoded_bytes`](crate::encoded_bytes), those of stopped threads left out: what
    /// [`budget`](crate::ShippingConfig::budget) bounds. Events that were not appended through this log count with
    /// the average size of those that it saw.
    pub bytes: u64,
    /// Threads that have such events.
    pub threads: u64,
    /// How long the oldest of them has been waiting, to a tenth of a second; zero where none does. What was
    /// not appended through this log counts from its own time, once the remote log was asked about it.
    pub behind: Duration,
    /// Threads that the remote log was not asked about yet, or not again since it was away: it may have come back without
    /// the end of what it had. Until the local log was looked through once, any number more.
    pub unchecked: u64,
    /// True once the local log was looked through.
    pub looked_through: bool,
    /// Events shipped since this log was opened.
    pub shipped: u64,
    /// Events that the remote log had said to have and then had no longer, as far as it was noticed since this log was
    /// opened. They are shipped again; where the local log has given back any of
    /// them, the thread is stopped by a [`Gap`](crate::ReplicateError::Gap), and nothing more of it is shipped.
    pub lost: u64,
    /// Appends refused since then, as the budget was used up.
    pub refused: u64,
    /// Threads that can't be shipped: some need somebody to act. They are tried again every
    /// [`look_every`](crate::ShippingConfig::look_every).
    pub stopped_threads: u64,
    /// Why, of at most 16 of them.
    pub stopped: Vec<Arc<ReplicateError>>,
    /// Bytes of their events that wait, of those that were appended through this log: the budget does not count
    /// them, as nothing that the remote log does makes them fewer.
    pub stopped_bytes: u64,
    /// Threads that alone can't be shipped, and are tried again after a pause, which grows to 10 s: the remote
    /// log refuses them though it serves others, another writer holds them, or the local log can't read them.
    pub troubled_threads: u64,
    /// Why, of at most 16 of them.
    pub troubled: Vec<Arc<ReplicateError>>,
    /// Why the local log could not name all its threads when it was last looked through: those that it did not
    /// name are shipped only if they are appended to.
    pub unnamed: Option<Arc<ReplicateError>>,
    /// What the remote log said last, while it is away.
    pub outage: Option<Arc<ReplicateError>>,
}

impl ShippingLag {
    /// True if all that the local log has is known to be in the remote one.
    #[must_use]
    pub const fn is_level(&self) -> bool {
        self.events == 0
            && self.unchecked == 0
            && self.looked_through
            && self.stopped_threads == 0
            && self.unnamed.is_none()
    }
}
