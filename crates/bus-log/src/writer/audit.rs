//! The face that counts and forgets.

use std::sync::Arc;

use bus_core::{
    AuditSink, Event, GraphEvent, Meta, ThreadKey, Ticket, TicketOutcome, UsageLimitBreach,
};
use chrono::Utc;

use super::account::Tag;
use super::error::NotDurable;
use super::slot::Slot;
use super::stats::Admission;
use super::{AuditStats, Inner, LogWriter};
use crate::{Entry, SessionLog, to_micros};

/// Records the audit trail of one thread in a log, fire-and-forget.
///
/// No call blocks, waits for the log, or panics, inside a runtime or outside, also after `close`;
/// the records of one caller keep their order. They go to the log through a [`LogWriter`], which
/// retries as long as it lives. What can't be kept, because the queue is full or the log refuses it
/// for good, is counted in [`stats`](Self::stats), and recorded in the log itself as
/// [`GraphEvent::AuditGap`] where the loss occurred, as soon as the log takes writes again.
///
/// Clones, and sinks of other threads made by [`with_thread_key`](Self::with_thread_key), share one
/// queue and one account. Dropping the last one writes what is left: see [`LogWriter`].
///
/// ```
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// use std::sync::Arc;
/// use bus_log::{AuditSink, InMemorySessionLog, SessionAuditSink, SessionLog, TenantId, ThreadKey};
///
/// let log = Arc::new(InMemorySessionLog::new());
/// let key = ThreadKey::new(TenantId::new("acme"), "session-7");
/// let audit = SessionAuditSink::new(log.clone(), key.clone());
/// audit.record_agent_handoff(None, "planner");
///
/// let stats = audit.close().await;
/// assert_eq!((stats.accepted, stats.written, stats.dropped), (1, 1, 0));
/// assert_eq!(log.load_since(&key, 0).await?[0].event.event_type(), "audit.agent_handoff");
/// # Ok::<(), bus_log::LogError>(())
/// # }).unwrap();
/// ```
#[derive(Clone, Debug)]
pub struct SessionAuditSink {
    inner: Arc<Inner>,
    slot: Arc<Slot>,
}

impl SessionAuditSink {
    /// A sink for the thread `key` of `log`, with a writer of its own.
    #[must_use]
    pub fn new(log: Arc<dyn SessionLog>, key: ThreadKey) -> Self {
        LogWriter::new(log).audit(key)
    }

    pub(super) fn of(inner: Arc<Inner>, key: ThreadKey) -> Self {
        let slot = inner.thread.slot(key);
        Self { inner, slot }
    }

    /// The same sink for another thread: it shares queue, writer and account.
    #[must_use]
    pub fn with_thread_key(self, key: ThreadKey) -> Self {
        Self::of(self.inner, key)
    }

    /// The thread that it records.
    #[must_use]
    pub fn thread_key(&self) -> &ThreadKey {
        &self.slot.key
    }

    /// Records any event, as the `record_*` calls do. A session's snapshot leaves its messages out.
    pub fn record(&self, event: impl Into<Event>) {
        self.put(None, || event.into());
    }

    /// As [`record`](Self::record), and tells by a [`Ticket`] at which ordinal the event is
    /// durable. It does not block either: where the record is dropped, the ticket fails.
    ///
    /// There is no time limit: while the log is down, the ticket waits.
    pub fn record_ticketed(&self, event: impl Into<Event>) -> Ticket {
        let (ticket, done) = Ticket::pending();
        self.put(Some(done), || event.into());
        ticket
    }

    /// As [`record_ticketed`](Self::record_ticketed), telling `on_done`: on the writer's thread, in
    /// the order of the log, or on this one if the record is dropped at once. Keep it short: the
    /// log's writer waits for it.
    pub fn record_with(
        &self,
        event: impl Into<Event>,
        on_done: impl FnOnce(TicketOutcome) + Send + 'static,
    ) {
        let (ticket, done) = Ticket::pending();
        ticket.on_ready(on_done);
        self.put(Some(done), || event.into());
    }

    fn put(&self, done: Option<bus_core::Completer>, event: impl FnOnce() -> Event) {
        let account = &self.inner.account;
        let (start, refused) = match account.admit_audit() {
            Admission::Taken(epoch) => {
                let event = event();
                let at = event
                    .as_audit()
                    .map_or_else(Utc::now, |record| *record.timestamp());
                let entry = Entry {
                    at: to_micros(at),
                    meta: Meta::default(),
                    event: event.without_messages(),
                };
                let tag = Tag::audit(Arc::clone(account), epoch, done);
                (self.slot.push(entry, tag), None)
            }
            Admission::Full => (
                self.slot.push_lost(account),
                done.map(|done| (done, std::io::ErrorKind::WouldBlock, "the queue is full")),
            ),
            Admission::Closed => (
                false,
                done.map(|done| (done, std::io::ErrorKind::BrokenPipe, "the writer is closed")),
            ),
        };
        if start {
            self.inner.thread.start(&self.slot);
        }
        if let Some((done, kind, reason)) = refused {
            done.complete(Err(NotDurable::for_certain(kind, reason, None)));
        }
    }

    /// What became of the records of this sink, its clones and siblings.
    #[must_use]
    pub fn stats(&self) -> AuditStats {
        self.inner.account.stats()
    }

    /// As [`LogWriter::flush`].
    pub async fn flush(&self) {
        self.inner.account.flush().await;
    }

    /// As [`LogWriter::close`].
    pub async fn close(&self) -> AuditStats {
        self.inner.close().await
    }
}

impl AuditSink for SessionAuditSink {
    fn record_sub_agent_invoked(&self, agent_id: &str, sub_thread_id: &str) {
        self.put(None, || {
            GraphEvent::sub_agent_invoked(agent_id, sub_thread_id).into()
        });
    }

    fn record_agent_handoff(&self, from: Option<&str>, to: &str) {
        self.put(None, || GraphEvent::agent_handoff(from, to).into());
    }

    fn record_resumed(&self, from_checkpoint: &str) {
        self.put(None, || GraphEvent::resumed(from_checkpoint).into());
    }

    fn record_memory_recall(&self, tier: &str, namespace_key: &str, hits: usize) {
        self.put(None, || {
            GraphEvent::memory_recall(tier, namespace_key, hits).into()
        });
    }

    fn record_usage_limit_exceeded(&self, breach: &UsageLimitBreach) {
        self.put(None, || GraphEvent::usage_limit_exceeded(breach).into());
    }

    fn record_context_compacted(&self, dropped_chars: usize, retained_chars: usize) {
        self.put(None, || {
            GraphEvent::context_compacted(dropped_chars, retained_chars).into()
        });
    }
}
