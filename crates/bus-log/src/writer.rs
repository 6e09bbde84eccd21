//! The writer behind every sink.
//!
//! ```text
//!  SessionAuditSink ─┐                                   ┌─ commit (key a) ─┐
//!                    ├─ account ── slot (key a) ── queue ┤                  ├─ SessionLog
//!  LogSink ──────────┘   (books)   slot (key b) ── queue └─ commit (key b) ─┘
//! ```
//!
//! A face asks the *account* of its writer for admission and pushes into the *slot* of its key,
//! which belongs to the log's *thread* and not to the writer: however many writers there are over
//! one log, each key has one order. *Commit* empties a slot into the log.

mod account;
mod audit;
mod commit;
mod config;
mod error;
mod gate;
mod pack;
mod queue;
mod sink;
mod slot;
mod stats;
mod submission;
mod tag;
mod thread;

use std::sync::Arc;
use std::time::Instant;

use bus_core::ThreadKey;
use futures_timer::Delay;
use futures_util::FutureExt;
use futures_util::future::{Either, select};

use crate::{Followers, SessionLog};
use account::Account;
use thread::LogThread;

pub use audit::SessionAuditSink;
pub use config::LogWriterConfig;
pub use error::NotDurable;
pub use sink::LogSink;
pub use stats::AuditStats;
pub use submission::Submission;

/// Writes events to a log in the background: what [`SessionAuditSink`] and [`LogSink`] are faces of.
///
/// # Order
///
/// What comes by any face is written in one order per thread key. Keys don't wait for each other,
/// as long as the log hangs in fewer than 256 calls.
///
/// # The thread
///
/// All writers over one log (the same `Arc`) share one thread with a runtime of its own, which
/// starts with the first event: it needs no runtime of the caller's, and outlives any. When the
/// last writer and the last sink over a log are dropped, what they took is written and the thread
/// joined before the drop returns, and the thread's hold on the log is gone. A log that settles
/// nothing for [`close_timeout`](LogWriterConfig::close_timeout) is given up, and what is left is
/// lost. The drop blocks meanwhile; in async code, [`close`](Self::close) before. Dropped on
/// such a thread, as by a ticket's callback, or on another one that a log needs
/// ([`SinkThread`](bus_core::SinkThread)), the drop does not wait.
///
/// # When the log fails
///
/// `Unavailable` and `Busy` are retried after 10 ms, 20 ms … 1 s: audit records as long as the
/// writer lives, events of the sink face as long as [`LogSink`] says. Any other error is for good:
/// the writer tries fewer at once until it has found the entry that the log refuses, and drops that
/// one. A batch that makes the log panic is dropped whole. A gap that the log refuses is tried five
/// times before later records pass it, and from then on again and again. No event is written twice, though the
/// outcome of an append may be unknown for a while; and a second writer of the same thread, in this
/// process or another, costs retries and nothing else.
///
/// # Memory
///
/// Those under way included, at most [`audit_queue`](LogWriterConfig::audit_queue) records and
/// [`audit_bytes`](LogWriterConfig::audit_bytes) of them, and one record more; as many events and bytes
/// as [`sink_queue`](LogWriterConfig::sink_queue) and [`sink_bytes`](LogWriterConfig::sink_bytes) say,
/// and one event more. By default that is 65,536 and 64 MiB for each face. Records wait as bytes, in
/// chunks that are at least half full but for the first, of 64 KiB at most, and the last of each thread
/// key's: at most 128 MiB for 64 MiB of records, and 4 MiB for 65,536 hand-offs with short names. A
/// log keeps 2 MiB of empty chunks for the next burst. Besides, there are at most as many gaps as
/// records, and one counter for each thread key that has lost records since.
///
/// ```
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// use std::sync::Arc;
/// use bus_log::{
///     AuditSink, DurableSink, InMemorySessionLog, LogWriter, SessionEvent, SessionLog, TenantId,
///     ThreadKey,
/// };
///
/// let log = Arc::new(InMemorySessionLog::new());
/// let key = ThreadKey::new(TenantId::new("acme"), "session-7");
/// let writer = LogWriter::new(log.clone());
/// let (audit, sink) = (writer.audit(key.clone()), writer.sink(key.clone()));
///
/// audit.record_resumed("checkpoint-3");
/// sink.write(&SessionEvent::Done).unwrap();
/// let events = log.load_since(&key, 0).await?;
/// assert_eq!(events[0].event.event_type(), "audit.resumed");
/// assert_eq!(events[1].event.event_type(), "session.done");
/// # Ok::<(), bus_log::LogError>(())
/// # }).unwrap();
/// ```
#[derive(Clone, Debug)]
pub struct LogWriter {
    inner: Arc<Inner>,
}

/// What all faces of one writer share.
#[derive(Debug)]
struct Inner {
    account: Arc<Account>,
    thread: Arc<LogThread>,
}

impl LogWriter {
    /// A writer over `log`, with defaults.
    #[must_use]
    pub fn new(log: Arc<dyn SessionLog>) -> Self {
        Self::with_config(log, LogWriterConfig::default())
    }

    /// A writer over `log`.
    #[must_use]
    pub fn with_config(log: Arc<dyn SessionLog>, config: LogWriterConfig) -> Self {
        Self {
            inner: Arc::new(Inner {
                account: Account::new(config),
                thread: LogThread::of(log),
            }),
        }
    }

    /// An audit sink for one thread (fire-and-forget).
    #[must_use]
    pub fn audit(&self, key: ThreadKey) -> SessionAuditSink {
        SessionAuditSink::of(Arc::clone(&self.inner), key)
    }

    /// A durable sink for one thread.
    #[must_use]
    pub fn sink(&self, key: ThreadKey) -> LogSink {
        LogSink::of(Arc::clone(&self.inner), key)
    }

    /// The log that it writes to.
    #[must_use]
    pub fn log(&self) -> &Arc<dyn SessionLog> {
        self.followers().log()
    }

    /// The followers of its log, the same for all writers over that log: they share their waiting.
    /// They hold the log, and not the writer.
    // For a bus over this log: it is no part of what users are promised.
    #[doc(hidden)]
    #[must_use]
    pub fn followers(&self) -> &Followers {
        self.inner.thread.followers()
    }

    /// True on a thread of any log's writer, as in a ticket's callback, or in a `tracing` subscriber
    /// that hears of a retry: there, waiting for a log may never end.
    #[must_use]
    pub fn on_writer_thread() -> bool {
        thread::is_writer()
    }

    /// What became of the audit records of this writer, its clones and sinks.
    #[must_use]
    pub fn stats(&self) -> AuditStats {
        self.inner.account.stats()
    }

    /// Waits until all that this writer, its clones and sinks took before is written or dropped,
    /// and the drops are noted in the log. What is taken meanwhile is not waited for.
    ///
    /// While the log is down it waits. It works under any executor, and may be given up at any time.
    /// Blocking on it on a [writer's thread](Self::on_writer_thread) never ends: that thread is the one
    /// to do the work.
    pub async fn flush(&self) {
        self.inner.account.flush().await;
    }

    /// Takes no more, flushes, and returns the final count: `accepted == written + dropped`.
    ///
    /// A log that settles nothing for [`close_timeout`](LogWriterConfig::close_timeout) is given
    /// up: what is left counts as dropped. (A record whose append was under way just then may be in
    /// the log all the same.) Records made later are counted as accepted and dropped; they leave no
    /// gap in the log. Closing again returns the count. Blocked on on a
    /// [writer's thread](Self::on_writer_thread), it gives up at its timeout.
    pub async fn close(&self) -> AuditStats {
        self.inner.close().await
    }
}

impl Inner {
    async fn close(&self) -> AuditStats {
        let account = &self.account;
        account.close();
        let begun = Instant::now();
        let mut flush = std::pin::pin!(account.flush());
        if flush.as_mut().now_or_never().is_some() {
            return account.stats();
        }
        loop {
            let deadline = account.moved().max(begun) + account.config.close_timeout;
            let left = deadline.saturating_duration_since(Instant::now());
            match select(flush.as_mut(), Delay::new(left)).await {
                Either::Left(_) => break,
                Either::Right(_) if left.is_zero() => {
                    account.give_up();
                    break;
                }
                Either::Right(_) => {}
            }
        }
        account.stats()
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        if self.account.is_open() {
            self.thread.be_patient(self.account.config.close_timeout);
        }
    }
}
