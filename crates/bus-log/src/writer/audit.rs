//! The face that counts and forgets.

use std::io;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bus_core::{
    AuditSink, Completer, Event, GraphEvent, Meta, ThreadKey, Ticket, TicketOutcome,
    UsageLimitBreach,
};
use chrono::Utc;

use super::commit::no_writer;
use super::error::NotDurable;
use super::pack::Record;
use super::queue::weigh;
use super::slot::{Pushed, Slot};
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

    /// Starts the thread that writes, unless it runs: for whoever calls
    /// [`record_ticketed`](Self::record_ticketed) under a lock, which would do so there otherwise. That it can't be
    /// started is a `warn`, once; what is recorded a second later or after that tries again.
    // For a bus over this log: it is no part of what users are promised.
    #[doc(hidden)]
    pub fn prepare(&self) {
        self.inner.thread.ensure_or_warn();
    }

    /// Records any event, as the `record_*` calls do. A session's snapshot leaves its messages out.
    pub fn record(&self, event: impl Into<Event>) {
        self.prepare();
        self.put(event.into(), None);
    }

    /// As [`record`](Self::record), and tells by a [`Ticket`] at which ordinal the event is
    /// durable. It does not block either: where the record is dropped, the ticket fails.
    ///
    /// There is no time limit: while the log is down, the ticket waits. Nobody else's code runs in the call, so that a
    /// caller may hold a lock that fixes an order: see [`prepare`](Self::prepare).
    // For a bus over this log: it is no part of what users are promised.
    #[doc(hidden)]
    pub fn record_ticketed(&self, event: impl Into<Event>) -> Ticket {
        let (ticket, done) = Ticket::pending();
        self.put(event.into(), Some(done));
        ticket
    }

    /// As [`record_ticketed`](Self::record_ticketed), telling `on_done`: on the writer's thread, in
    /// the order of the log, or on this one if the record is dropped at once. Keep it short: the
    /// log's writer waits for it.
    // For a bus over this log: it is no part of what users are promised.
    #[doc(hidden)]
    pub fn record_with(
        &self,
        event: impl Into<Event>,
        on_done: impl FnOnce(TicketOutcome) + Send + 'static,
    ) {
        let (ticket, done) = Ticket::pending();
        ticket.on_ready(on_done);
        self.put(event.into(), Some(done));
    }

    /// Counts `records` as made and dropped, and has the log note so at this place: for whoever kept
    /// records back and could not keep them all.
    // For a bus over this log: it is no part of what users are promised.
    #[doc(hidden)]
    pub fn record_lost(&self, records: u64) {
        // If not, the gap waits for the next that is recorded.
        let _ = self.inner.thread.ensure();
        self.lose(records);
    }

    fn lose(&self, records: u64) {
        let Inner { account, thread } = &*self.inner;
        if records == 0 {
            return;
        }
        let start = if thread.runs() {
            self.slot.push_lost(account, records)
        } else {
            self.slot.keep_lost(account, records);
            // It may have come meanwhile, and rest.
            thread.runs() && self.slot.wakes_for_lost()
        };
        if start {
            thread.start(&self.slot);
        }
    }

    fn put(&self, event: Event, done: Option<Completer>) {
        // Without a thread to write, nothing waits: it would have to be told later, perhaps under a caller's lock.
        if let Err(error) = self.inner.thread.ensure() {
            self.lose(1);
            if let Some(done) = done {
                done.complete(Err(no_writer(&error)));
            }
            return;
        }
        let account = &self.inner.account;
        if let Some((at, record)) = event.as_audit().and_then(Record::of) {
            self.pushed(self.slot.pack(account, at, &record, done));
            return;
        }
        let at = event
            .as_audit()
            .map_or_else(Utc::now, |record| *record.timestamp());
        let entry = Entry {
            at: to_micros(at),
            meta: Meta::default(),
            event: event.without_messages(),
        };
        let weight = weigh(&entry);
        self.pushed(self.slot.push_record(account, entry, weight, done));
    }

    fn pack(&self, record: &Record<'_>) {
        if !self.inner.thread.ensure_or_warn() {
            self.lose(1);
            return;
        }
        let account = &self.inner.account;
        self.pushed(self.slot.pack(account, micros_now(), record, None));
    }

    fn pushed(&self, pushed: Pushed) {
        if pushed.start {
            self.inner.thread.start(&self.slot);
        }
        if let Some((done, why)) = pushed.refused {
            let (kind, reason) = match why {
                Admission::Closed => (io::ErrorKind::BrokenPipe, "the writer is closed"),
                _ => (io::ErrorKind::WouldBlock, "the queue is full"),
            };
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
        self.pack(&Record::SubAgentInvoked {
            agent_id,
            sub_thread_id,
        });
    }

    fn record_agent_handoff(&self, from: Option<&str>, to: &str) {
        self.pack(&Record::AgentHandoff { from, to });
    }

    fn record_resumed(&self, from_checkpoint: &str) {
        self.pack(&Record::Resumed { from_checkpoint });
    }

    fn record_memory_recall(&self, tier: &str, namespace_key: &str, hits: usize) {
        self.pack(&Record::MemoryRecall {
            tier,
            namespace_key,
            hits,
        });
    }

    fn record_usage_limit_exceeded(&self, breach: &UsageLimitBreach) {
        match Record::of_breach(breach) {
            Some(record) => self.pack(&record),
            None => self.record(GraphEvent::usage_limit_exceeded(breach)),
        }
    }

    fn record_context_compacted(&self, dropped_chars: usize, retained_chars: usize) {
        self.pack(&Record::ContextCompacted {
            dropped_chars,
            retained_chars,
        });
    }

    fn record_event(&self, event: GraphEvent) -> bool {
        self.record(event);
        true
    }
}

/// Now, in microseconds since 1970. Without the way over a date: this is asked for every record.
fn micros_now() -> i64 {
    let micros = |time: Duration| i64::try_from(time.as_micros()).unwrap_or(i64::MAX);
    match SystemTime::now().duration_since(UNIX_EPOCH) {
        Ok(since) => micros(since),
        Err(before) => -micros(before.duration()),
    }
}
