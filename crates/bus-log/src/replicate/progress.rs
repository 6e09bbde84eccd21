//! How a copy goes, and what came of it.

use bus_core::ThreadKey;

use super::ReplicateError;

/// What a [`Replication`](super::Replication) tells while it works.
#[derive(Debug)]
#[non_exhaustive]
pub enum ReplicateProgress<'a> {
    /// A thread is begun. What is to be moved of it can grow meanwhile.
    #[non_exhaustive]
    Begun {
        /// The thread.
        key: &'a ThreadKey,
    },
    /// A page of a thread is durable in the target.
    #[non_exhaustive]
    Moved {
        /// The thread.
        key: &'a ThreadKey,
        /// The page's first ordinal.
        first: u64,
        /// Its last one.
        last: u64,
        /// Its size: the bytes of its events' and metas' JSON texts.
        bytes: u64,
    },
    /// A log failed, and is tried again.
    #[non_exhaustive]
    Retrying {
        /// Why.
        error: &'a ReplicateError,
    },
    /// A thread is done: the target has all that the source had when it was last looked at.
    #[non_exhaustive]
    Done {
        /// What came of it.
        thread: &'a ThreadCopied,
    },
    /// A thread can't be copied.
    #[non_exhaustive]
    Failed {
        /// Why.
        error: &'a ReplicateError,
    },
}

/// What came of one thread.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ThreadCopied {
    /// The thread.
    pub key: ThreadKey,
    /// Events moved.
    pub events: u64,
    /// Their size: the bytes of their events' and metas' JSON texts.
    pub bytes: u64,
    /// The target's last ordinal; 0 where there was nothing to copy.
    pub last: u64,
}

/// What came of many threads.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Copied {
    /// Threads looked at, those that failed included.
    pub threads: u64,
    /// Events moved.
    pub events: u64,
    /// Their size: the bytes of their events' and metas' JSON texts.
    pub bytes: u64,
    /// Threads that could not be copied, and why. The others were.
    pub failed: Vec<ReplicateError>,
}
