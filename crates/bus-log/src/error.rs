//! What can go wrong, by what the caller can do about it.

use std::error::Error;
use std::fmt;
use std::io;
use std::sync::Arc;

/// A log's result.
pub type Result<T, E = LogError> = std::result::Result<T, E>;

/// Why a log could not do what it was asked.
///
/// [`kind`](Self::kind) says what to do next; the message and [`source`](Error::source) are for
/// people. The message does not repeat the source. A clone shares its source.
#[derive(Clone, Debug)]
pub struct LogError {
    kind: LogErrorKind,
    message: String,
    actual: Option<u64>,
    source: Option<Arc<dyn Error + Send + Sync>>,
}

/// What the caller can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum LogErrorKind {
    /// Retry later. After an append the outcome may be unknown: re-read, then append with
    /// [`Expect::Last`](crate::Expect::Last), which makes a retry harmless.
    Unavailable,
    /// Another writer holds the thread; the message names it. Retry when it has let go.
    Busy,
    /// The last ordinal is not the expected one, but [`LogError::actual`]. Re-read.
    Conflict,
    /// The request can never succeed: correct it. Nothing was written.
    Invalid,
    /// What is stored is damaged; the message names the place. Nothing wrong was served.
    Corrupt,
    /// The log was closed. Open it again.
    Closed,
    /// This log can't do it; its profile says so.
    Unsupported,
    /// A fault of the log itself. Report it.
    Internal,
}

impl LogErrorKind {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Unavailable => "log unavailable",
            Self::Busy => "thread is held by another writer",
            Self::Conflict => "unexpected last ordinal",
            Self::Invalid => "invalid request",
            Self::Corrupt => "log is damaged",
            Self::Closed => "log is closed",
            Self::Unsupported => "not supported by this log",
            Self::Internal => "internal fault of the log",
        }
    }
}

impl LogError {
    fn new(kind: LogErrorKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            actual: None,
            source: None,
        }
    }

    /// The log can't be reached or its medium refuses: see [`LogErrorKind::Unavailable`].
    pub fn unavailable(message: impl Into<String>) -> Self {
        Self::new(LogErrorKind::Unavailable, message)
    }

    /// Another writer, named in the message, holds the thread: see [`LogErrorKind::Busy`].
    pub fn busy(holder: impl Into<String>) -> Self {
        Self::new(LogErrorKind::Busy, holder)
    }

    /// The thread's last ordinal is `actual`: see [`LogErrorKind::Conflict`].
    #[must_use]
    pub fn conflict(actual: u64) -> Self {
        Self {
            actual: Some(actual),
            ..Self::new(LogErrorKind::Conflict, format!("it is {actual}"))
        }
    }

    /// The request can never succeed: see [`LogErrorKind::Invalid`].
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(LogErrorKind::Invalid, message)
    }

    /// What is stored is damaged: see [`LogErrorKind::Corrupt`].
    pub fn corrupt(message: impl Into<String>) -> Self {
        Self::new(LogErrorKind::Corrupt, message)
    }

    /// The log was closed: see [`LogErrorKind::Closed`].
    pub fn closed(message: impl Into<String>) -> Self {
        Self::new(LogErrorKind::Closed, message)
    }

    /// This log can't do it: see [`LogErrorKind::Unsupported`].
    pub fn unsupported(message: impl Into<String>) -> Self {
        Self::new(LogErrorKind::Unsupported, message)
    }

    /// A fault of the log itself: see [`LogErrorKind::Internal`].
    pub fn internal(message: impl Into<String>) -> Self {
        Self::new(LogErrorKind::Internal, message)
    }

    /// Sets what caused it.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        self.source = Some(Arc::from(source.into()));
        self
    }

    /// What the caller can do.
    #[must_use]
    pub const fn kind(&self) -> LogErrorKind {
        self.kind
    }

    /// On [`Conflict`](LogErrorKind::Conflict): the thread's last ordinal.
    #[must_use]
    pub const fn actual(&self) -> Option<u64> {
        self.actual
    }
}

impl fmt::Display for LogError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.kind.as_str(), self.message)
    }
}

impl Error for LogError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source
            .as_deref()
            .map(|source| source as &(dyn Error + 'static))
    }
}

impl LogError {
    /// The medium's own kind where the source has one.
    pub(crate) fn io_kind(&self) -> io::ErrorKind {
        let own = self
            .source
            .as_deref()
            .and_then(|source| source.downcast_ref::<io::Error>())
            .map(io::Error::kind);
        own.unwrap_or(match self.kind {
            LogErrorKind::Unavailable => io::ErrorKind::TimedOut,
            LogErrorKind::Busy => io::ErrorKind::ResourceBusy,
            LogErrorKind::Invalid => io::ErrorKind::InvalidInput,
            LogErrorKind::Corrupt => io::ErrorKind::InvalidData,
            LogErrorKind::Closed => io::ErrorKind::BrokenPipe,
            LogErrorKind::Unsupported => io::ErrorKind::Unsupported,
            LogErrorKind::Conflict | LogErrorKind::Internal => io::ErrorKind::Other,
        })
    }
}

/// For sinks, which speak `io::Error`: the medium's own kind where the source has one.
impl From<LogError> for io::Error {
    fn from(error: LogError) -> Self {
        Self::new(error.io_kind(), error)
    }
}

#[cfg(test)]
mod tests;
