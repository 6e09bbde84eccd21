//! Why an event is not known to be in the log.

use std::error::Error;
use std::fmt;
use std::io;
use std::sync::Arc;

use crate::LogError;

/// What a ticket's `io::Error` holds when the writer could not make an event durable.
///
/// Its [`source`](Error::source) is the log's own error, if the log was asked.
///
/// ```
/// # use bus_log::NotDurable;
/// fn may_be_there(error: &std::io::Error) -> bool {
///     let own = error.get_ref().and_then(|error| error.downcast_ref::<NotDurable>());
///     own.is_none_or(NotDurable::may_be_written)
/// }
/// ```
#[derive(Clone, Debug)]
pub struct NotDurable {
    may_be_written: bool,
    reason: &'static str,
    source: Option<Arc<LogError>>,
}

impl NotDurable {
    /// The event is not in the log and will not be.
    pub(super) fn for_certain(
        kind: io::ErrorKind,
        reason: &'static str,
        source: Option<Arc<LogError>>,
    ) -> io::Error {
        Self {
            may_be_written: false,
            reason,
            source,
        }
        .into_io(kind)
    }

    /// The event may be in the log, or come to be.
    pub(super) fn perhaps(
        kind: io::ErrorKind,
        reason: &'static str,
        source: Option<Arc<LogError>>,
    ) -> io::Error {
        Self {
            may_be_written: true,
            reason,
            source,
        }
        .into_io(kind)
    }

    fn into_io(self, kind: io::ErrorKind) -> io::Error {
        let kind = self.source.as_ref().map_or(kind, |error| error.io_kind());
        io::Error::new(kind, self)
    }

    /// False if the event is not in the log and will not be; true if nobody knows.
    #[must_use]
    pub const fn may_be_written(&self) -> bool {
        self.may_be_written
    }
}

impl fmt::Display for NotDurable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = if self.may_be_written {
            "event may or may not have been written"
        } else {
            "event was not written"
        };
        write!(f, "{what}: {}", self.reason)
    }
}

impl Error for NotDurable {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|error| error as _)
    }
}
