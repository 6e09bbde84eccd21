//! The face that waits for its ticket.

use std::io;
use std::sync::Arc;
use std::time::Instant;

use bus_core::{DurableSink, Event, SessionEvent, ThreadKey, Ticket};

use super::error::NotDurable;
use super::queue::weigh;
use super::slot::Slot;
use super::stats::Admission;
use super::{AuditStats, Inner, LogWriter};
use crate::{Entry, SessionLog, to_micros};

/// A [`DurableSink`] over one thread of any log.
///
/// [`submit`](DurableSink::submit) fixes the event's place, in one order with the audit records of
/// the same [`LogWriter`], and returns a [`Ticket`], which tells the ordinal once the event is
/// durable. The events that wait go to the log in batches: many emitters share one append.
///
/// # How long it blocks
///
/// `write` waits for the log, `submit` only for room while the queue
/// ([`sink_queue`](crate::LogWriterConfig::sink_queue)) is full. On a log that fails or hangs both
/// end after [`retry_for`](crate::LogWriterConfig::retry_for), 5 s by default, counted from the
/// submission: until then errors that may pass are retried. A log that blocks its thread instead of
/// waiting holds them up as long as it blocks.
///
/// # Errors
///
/// A ticket's error holds a [`NotDurable`], which says whether the event may be in the log all the
/// same: an event that was never tried is out for certain. Its kind is the one of the log's error;
/// that of the system's if the writer's thread could not be started;
/// [`TimedOut`](io::ErrorKind::TimedOut) if the log gave none in time,
/// [`BrokenPipe`](io::ErrorKind::BrokenPipe) after `close`, and
/// [`WouldBlock`](io::ErrorKind::WouldBlock) on the writer's own thread, as in a ticket's callback,
/// where waiting would never end: for `submit` if the queue is full, for `write` always.
///
/// ```
/// use std::sync::Arc;
/// use bus_log::{DurableSink, InMemorySessionLog, LogSink, SessionEvent, TenantId, ThreadKey};
///
/// let log = Arc::new(InMemorySessionLog::new());
/// let sink = LogSink::new(log, ThreadKey::new(TenantId::new("acme"), "session-7"));
/// sink.write(&SessionEvent::Thinking)?;
/// assert_eq!(sink.submit(SessionEvent::Done.into()).wait()?, Some(2));
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct LogSink {
    inner: Arc<Inner>,
    slot: Arc<Slot>,
}

impl LogSink {
    /// A sink for the thread `key` of `log`, with a writer of its own.
    #[must_use]
    pub fn new(log: Arc<dyn SessionLog>, key: ThreadKey) -> Self {
        LogWriter::new(log).sink(key)
    }

    pub(super) fn of(inner: Arc<Inner>, key: ThreadKey) -> Self {
        let slot = inner.thread.slot(key);
        Self { inner, slot }
    }

    /// The same sink for another thread: it shares queue and writer.
    #[must_use]
    pub fn with_thread_key(self, key: ThreadKey) -> Self {
        Self::of(self.inner, key)
    }

    /// The thread that it writes.
    #[must_use]
    pub fn thread_key(&self) -> &ThreadKey {
        &self.slot.key
    }

    /// As [`LogWriter::flush`].
    pub async fn flush(&self) {
        self.inner.account.flush().await;
    }

    /// As [`LogWriter::close`].
    pub async fn close(&self) -> AuditStats {
        self.inner.close().await
    }

    /// As [`submit`](DurableSink::submit), with a time and a meta of its own.
    pub fn submit_entry(&self, entry: Entry) -> Ticket {
        self.try_submit(entry)
            .unwrap_or_else(|error| Ticket::ready(Err(error)))
    }

    fn try_submit(&self, entry: Entry) -> io::Result<Ticket> {
        let account = &self.inner.account;
        let on_writer = self.inner.thread.is_current();
        let deadline = Instant::now() + account.config.retry_for;
        let refused = |kind, reason| Err(NotDurable::for_certain(kind, reason, None));
        let entry = Entry {
            at: to_micros(entry.at),
            event: entry.event.without_messages(),
            ..entry
        };
        let weight = weigh(&entry);
        match account.admit_sink(weight, (!on_writer).then_some(deadline)) {
            Admission::Taken => {}
            Admission::Closed => {
                return refused(io::ErrorKind::BrokenPipe, "the writer is closed");
            }
            Admission::Full if on_writer => {
                return refused(io::ErrorKind::WouldBlock, "the queue is full");
            }
            Admission::Full => return refused(io::ErrorKind::TimedOut, "the queue stayed full"),
        }
        let (ticket, done) = Ticket::pending();
        let slot = &self.slot;
        if slot.push_event(account, entry, weight, deadline, done) {
            self.inner.thread.start(&self.slot);
        }
        Ok(ticket)
    }
}

impl DurableSink for LogSink {
    fn write(&self, event: &SessionEvent) -> io::Result<()> {
        if self.inner.thread.is_current() {
            return Err(NotDurable::for_certain(
                io::ErrorKind::WouldBlock,
                "the log's writer can't wait for itself",
                None,
            ));
        }
        self.submit(event.clone().into()).wait().map(|_| ())
    }

    fn submit(&self, event: Event) -> Ticket {
        self.submit_entry(event.into())
    }

    fn is_prompt(&self) -> bool {
        true
    }
}
