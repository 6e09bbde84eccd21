//! Why a thread could not be copied.

use bus_core::{TenantId, ThreadKey};

use crate::{LogError, LogErrorKind};

/// Why a thread could not be copied, or compared. Nothing wrong was written.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReplicateError {
    /// The source failed.
    #[error("source of the copy failed: thread {key}")]
    #[non_exhaustive]
    Source {
        /// The thread.
        key: ThreadKey,
        /// What it said.
        #[source]
        error: LogError,
    },
    /// The target failed. What it had taken before stays, and the copy goes on there.
    #[error("target of the copy failed: thread {key}")]
    #[non_exhaustive]
    Target {
        /// The thread.
        key: ThreadKey,
        /// What it said.
        #[source]
        error: LogError,
    },
    /// The target has more events than its source: somebody else writes it, or the source is not the
    /// one that it was.
    #[error(
        "target is ahead of its source: thread {key}, last ordinals {target_last} and {source_last}"
    )]
    #[non_exhaustive]
    Ahead {
        /// The thread.
        key: ThreadKey,
        /// The source's last ordinal.
        source_last: u64,
        /// The target's last ordinal.
        target_last: u64,
    },
    /// Both have another event at the same ordinal.
    #[error("target differs from its source: thread {key}, ordinal {ordinal}")]
    #[non_exhaustive]
    Differs {
        /// The thread.
        key: ThreadKey,
        /// The first ordinal that differs.
        ordinal: u64,
    },
    /// The source hid events before they were copied, or the target has lost them since: to go on would change ordinals.
    /// What the target can read before them may be the only copy. Whoever [mirrors](crate::Replication::mirroring)
    /// and does not need it archives it in the target first.
    #[error("source has hidden what was not copied yet: thread {key}, ordinals {first} to {last}")]
    #[non_exhaustive]
    Gap {
        /// The thread.
        key: ThreadKey,
        /// The first ordinal that is missing.
        first: u64,
        /// The last one.
        last: u64,
    },
    /// The target has hidden all that was copied to it, and the source has not: an erasure that came late took what
    /// was copied after it, or the target's keeper archived it. Said only of a thread that was ever erased in both, or whose
    /// target was ahead before: what was hidden there may be somebody else's.
    #[error("target has hidden what its source has not: thread {key}, ordinals {first} to {last}")]
    #[non_exhaustive]
    Hidden {
        /// The thread.
        key: ThreadKey,
        /// The first ordinal that only the source can read.
        first: u64,
        /// The last one.
        last: u64,
    },
    /// The source's threads, or its tenants, can't all be named.
    #[error("threads of the source can't all be listed")]
    #[non_exhaustive]
    List {
        /// Whose threads; `None` for the list of tenants.
        tenant: Option<TenantId>,
        /// What it said.
        #[source]
        error: LogError,
    },
}

impl ReplicateError {
    /// The thread, if it is one that is concerned.
    #[must_use]
    pub const fn key(&self) -> Option<&ThreadKey> {
        match self {
            Self::Source { key, .. }
            | Self::Target { key, .. }
            | Self::Ahead { key, .. }
            | Self::Differs { key, .. }
            | Self::Gap { key, .. }
            | Self::Hidden { key, .. } => Some(key),
            Self::List { .. } => None,
        }
    }

    /// What a log said, if that is why.
    #[must_use]
    pub const fn log_error(&self) -> Option<&LogError> {
        match self {
            Self::Source { error, .. } | Self::Target { error, .. } | Self::List { error, .. } => {
                Some(error)
            }
            Self::Ahead { .. } | Self::Differs { .. } | Self::Gap { .. } | Self::Hidden { .. } => {
                None
            }
        }
    }

    fn kind(&self) -> Option<LogErrorKind> {
        self.log_error().map(LogError::kind)
    }

    /// True if it may pass by itself: `Unavailable` and `Busy`.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        matches!(
            self.kind(),
            Some(LogErrorKind::Unavailable | LogErrorKind::Busy)
        )
    }

    /// True if it concerns a whole log, not this thread alone: `Unavailable` and `Closed`.
    #[must_use]
    pub fn is_outage(&self) -> bool {
        matches!(
            self.kind(),
            Some(LogErrorKind::Unavailable | LogErrorKind::Closed)
        )
    }

    /// True if the target says no, for a reason that does not pass by itself and may be the same for all threads: what is
    /// [`Invalid`](LogErrorKind::Invalid) or [`Corrupt`](LogErrorKind::Corrupt) is one thread's.
    pub(crate) fn is_refusal(&self) -> bool {
        matches!(
            self,
            Self::Target { error, .. }
                if matches!(error.kind(), LogErrorKind::Unsupported | LogErrorKind::Internal)
        )
    }

    /// True if the target has said something of this thread: how far it reaches, or who holds it. To refuse it is none: it
    /// may refuse all.
    pub(crate) fn is_answer(&self) -> bool {
        match self {
            Self::Target { .. } => !self.is_outage() && !self.is_refusal(),
            Self::Ahead { .. } | Self::Differs { .. } | Self::Gap { .. } | Self::Hidden { .. } => {
                true
            }
            Self::Source { .. } | Self::List { .. } => false,
        }
    }
}
