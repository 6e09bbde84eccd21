//! The face that waits for its ticket.

use std::io;
use std::sync::Arc;
use std::task::Waker;
use std::time::{Duration, Instant};

use bus_core::{DurableSink, Event, SessionEvent, ThreadKey, Ticket, TrySubmit};

use super::commit::no_writer;
use super::error::NotDurable;
use super::slot::Slot;
use super::stats::Admission;
use super::submission::Submission;
use super::{AuditStats, Inner, LogWriter};
use crate::{Entry, SessionLog};

/// A [`DurableSink`] over one thread of any log.
///
/// [`submit`](DurableSink::submit) fixes the event's place, in one order with the audit records of
/// the same [`LogWriter`], and returns a [`Ticket`], which tells the ordinal once the event is
/// durable. The events that wait go to the log in batches: many emitters share one append.
///
/// # How long it blocks
///
/// `write` waits for the log, `submit` only for room while the queue
/// ([`sink_queue`](crate::LogWriterConfig::sink_queue)) is full, `try_submit` for nothing. On a log that fails or hangs both
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

    /// The thread that it writes.
    #[must_use]
    pub fn thread_key(&self) -> &ThreadKey {
        &self.slot.key
    }

    /// A number that stands for its thread of its log, never 0: while any sink of any writer over the two is there,
    /// others have the same. No other thread or log has it in this process, or had it before.
    // For a bus over this log: it is no part of what users are promised.
    #[doc(hidden)]
    #[must_use]
    pub fn thread_number(&self) -> u64 {
        self.slot.number
    }

    /// As [`LogWriter::flush`].
    pub async fn flush(&self) {
        self.inner.account.flush().await;
    }

    /// As [`LogWriter::close`].
    pub async fn close(&self) -> AuditStats {
        self.inner.close().await
    }

    /// Makes an entry ready to be submitted: from now on its time runs.
    ///
    /// What there is to do before the sink can take it is done here, so that whoever holds a lock to keep an
    /// order holds it for
    /// [`try_submit_entry`](Self::try_submit_entry) only. The log's thread is started here as well, unless it runs: so the
    /// entry is for a sink over the same log. A thread that could not be started is not asked for again for 10 ms.
    // For a bus over this log: it is no part of what users are promised.
    #[doc(hidden)]
    #[must_use]
    pub fn begin(&self, entry: Entry) -> Submission {
        // A failure is told when it is submitted.
        let _ = self.inner.thread.ensure_for_event();
        Submission::new(entry, self.inner.account.config.retry_for)
    }

    /// Submits an entry, and waits for room until its [deadline](Submission::deadline).
    // For a bus over this log: it is no part of what users are promised.
    #[doc(hidden)]
    pub fn submit_begun(&self, submission: Submission) -> Ticket {
        if let Err(error) = self.inner.thread.runs_or_why() {
            return Ticket::ready(Err(no_writer(&error)));
        }
        let account = &self.inner.account;
        let on_writer = self.inner.thread.is_current();
        let until = (!on_writer).then_some(submission.until.deadline);
        match account.admit_sink(submission.weight, until) {
            Admission::Taken => self.push(submission),
            Admission::Closed => closed(),
            Admission::Full if on_writer => refused(io::ErrorKind::WouldBlock, "the queue is full"),
            Admission::Full => refused(io::ErrorKind::TimedOut, STAYED_FULL),
        }
    }

    /// Submits an entry if there is room, and waits for nothing.
    ///
    /// Once its [deadline](Submission::deadline) has passed, its ticket fails instead. Nobody else's code runs in the
    /// call but the waker's `clone`.
    ///
    /// # Errors
    ///
    /// The submission itself, to be tried again, if the queue is full. Then `room` is woken once there
    /// may be room, or no more need to wait for it, as after `close`; it is not woken for the deadline.
    #[expect(
        clippy::result_large_err,
        reason = "it is the submission itself, and is tried again where it is"
    )]
    // For a bus over this log: it is no part of what users are promised.
    #[doc(hidden)]
    pub fn try_submit_entry(
        &self,
        submission: Submission,
        room: &Waker,
    ) -> Result<Ticket, Submission> {
        if let Err(error) = self.inner.thread.runs_or_why() {
            return Ok(Ticket::ready(Err(no_writer(&error))));
        }
        let account = &self.inner.account;
        match account.try_admit_sink(submission.weight, room) {
            Admission::Taken => Ok(self.push(submission)),
            Admission::Closed => Ok(closed()),
            Admission::Full if submission.until.deadline <= Instant::now() => {
                Ok(refused(io::ErrorKind::TimedOut, STAYED_FULL))
            }
            Admission::Full => Err(submission),
        }
    }

    /// The account has let it in.
    fn push(&self, submission: Submission) -> Ticket {
        let Submission {
            entry,
            weight,
            until,
        } = submission;
        let (ticket, done) = Ticket::pending();
        let account = &self.inner.account;
        if self.slot.push_event(account, entry, weight, until, done) {
            self.inner.thread.start(&self.slot);
        }
        ticket
    }
}

const STAYED_FULL: &str = "the queue stayed full";

fn closed() -> Ticket {
    refused(io::ErrorKind::BrokenPipe, "the writer is closed")
}

fn refused(kind: io::ErrorKind, reason: &'static str) -> Ticket {
    Ticket::ready(Err(NotDurable::for_certain(kind, reason, None)))
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
        self.submit_begun(self.begin(event.into()))
    }

    /// The time for writing an event begins when there is room for it. Until then the caller's
    /// [`patience`](Self::patience) counts; to have one time for both, [`begin`](Self::begin) once.
    fn try_submit(&self, event: &Event, room: &Waker) -> TrySubmit {
        // It may come again and again, and is not copied in vain.
        if self.inner.account.lacks_room(room) {
            return TrySubmit::Full;
        }
        let submission = self.begin(event.clone().into());
        self.try_submit_entry(submission, room)
            .map_or(TrySubmit::Full, TrySubmit::Taken)
    }

    /// As long as the sink itself tries: see [`LogWriterConfig::with_retry_for`](super::LogWriterConfig::with_retry_for).
    fn patience(&self) -> Option<Duration> {
        Some(self.inner.account.config.retry_for)
    }
}
