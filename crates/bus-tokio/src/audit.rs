//! Audit records, fire-and-forget.

use std::io;
use std::sync::Arc;

use bus_log::{
    AuditSink, AuditStats, Entry, Event, GraphEvent, Meta, SessionAuditSink, UsageLimitBreach,
};

use crate::SessionBus;
use crate::bus::Core;
use crate::delivered::{Teller, waiting};
use crate::line::{Addressee, Cargo, Parcel};
use crate::sinks::Sinks;
use crate::warn::warn_not_durable;

impl SessionBus {
    /// The bus as an [`AuditSink`], to be installed in an
    /// [`ExecutionContext`](bus_core::ExecutionContext).
    ///
    /// Each `record_*` goes to the log or sink, if there is one, and is then broadcast to
    /// [envelope subscribers](Self::subscribe_envelopes) with its ordinal, in the one order with all
    /// other durable events. The call itself waits for neither.
    ///
    /// A log that is down gets its records when it is back: they are retried for as long as it
    /// takes. Subscribers see them then, or as soon as an emitter's event behind them is given up,
    /// in which case their ordinal is `None`: a record never holds up an event.
    ///
    /// At most 65,536 stand in line for their ordinals, and at most 64 MiB of them and one more. When there are
    /// more, the oldest are seen without one; behind an emitter's event, which is waited for, further ones are seen before it.
    /// Those that a full log refuses are seen in their turn too, until more than 1 MiB of them wait: then all records
    /// before them are seen as well. While a delivery takes its time, as one does whose waker blocks, twice as many are kept;
    /// further ones are seen at once, without their ordinals and before those. Over a sink that is no log, those past the bound are seen at once and lost, with a
    /// `warn`.
    ///
    /// While a sink is busy or full because of emitters, 65,536 records and events wait to be handed to it, or 64 MiB of
    /// them. Records that come after them are lost: they are seen at once, and a log notes at their place how many.
    ///
    /// It does **not** count as a clone of the bus: subscribers find the end when the last clone is
    /// gone, however many audit sinks are left in contexts that somebody kept. What is recorded from
    /// then on still goes to the log, which the audit sink does keep open.
    #[must_use]
    pub fn audit_sink(&self) -> Arc<dyn AuditSink> {
        Arc::new(BusAudit(Arc::clone(self.core())))
    }

    /// What became of the audit records, if there is a log: see [`AuditStats`]. `None` without one,
    /// as nobody counts then.
    #[must_use]
    pub fn audit_stats(&self) -> Option<AuditStats> {
        Some(self.audit_face()?.stats())
    }

    /// Waits until everything that was handed to this bus before, audit records included, is durable
    /// or has failed, and was broadcast. While a log is down it waits.
    pub async fn flush(&self) {
        self.flush_line().await;
        if let Some(face) = self.audit_face() {
            face.flush().await;
        }
    }

    /// Ends the work of this bus on its log: takes no more, waits for what was taken, and returns
    /// the final count, `accepted == written + dropped`; `None` without a log, where it is as
    /// [`flush`](Self::flush).
    ///
    /// A log that settles nothing for
    /// [`close_timeout`](bus_log::LogWriterConfig::close_timeout), 10 s by default, is given up, and
    /// what is left counts as dropped. Afterwards the bus goes on live: a durable event fails and is
    /// broadcast, a record counts as dropped and is broadcast. Subscribers find the end when the
    /// last clone is dropped.
    ///
    /// The writer of a [`SessionHub`](crate::SessionHub)'s bus belongs to all its sessions: there it is as
    /// [`flush`](Self::flush), returns the count of all, and ends nothing.
    pub async fn close(&self) -> Option<AuditStats> {
        let lent = self
            .core()
            .sinks()
            .is_some_and(|sinks| sinks.is_writer_lent());
        match self.audit_face() {
            Some(_) if lent => {
                self.flush().await;
                self.audit_stats()
            }
            Some(face) => Some(Self::close_all(std::slice::from_ref(self), face.close()).await),
            None => {
                self.flush_line().await;
                None
            }
        }
    }

    /// Closes the writer of these buses, by `close`, once it has all that was handed to them before.
    pub(crate) async fn close_all(
        buses: &[Self],
        close: impl Future<Output = AuditStats>,
    ) -> AuditStats {
        for bus in buses {
            // A record may still wait for an emitter to let go of the sink: it was made before.
            bus.hand_in().await;
        }
        let stats = close.await;
        for bus in buses {
            bus.flush_hurriedly().await;
        }
        stats
    }

    /// Waits until all that was handed to this bus before was broadcast.
    pub(crate) async fn flush_line(&self) {
        self.mark(|to| Cargo::Flush { to, hurry: false }).await;
    }

    /// The same, waiting for no audit record.
    async fn flush_hurriedly(&self) {
        self.mark(|to| Cargo::Flush { to, hurry: true }).await;
    }

    /// Waits until the sinks have taken all that was handed to this bus before.
    async fn hand_in(&self) {
        self.mark(Cargo::HandedIn).await;
    }

    fn audit_face(&self) -> Option<&SessionAuditSink> {
        self.core().sinks()?.audit()
    }

    /// Puts a mark behind everything in line, and waits for what it is to tell.
    async fn mark(&self, cargo: impl FnOnce(Teller) -> Cargo) {
        let (to, waiting) = waiting();
        self.core().line.leave(Parcel::mark(cargo(to)));
        waiting.await;
    }
}

struct BusAudit(Arc<Core>);

/// What a record takes besides its texts, about.
const RECORD: usize = size_of::<Parcel>();

impl BusAudit {
    /// Records an event with so many bytes of text.
    fn record(&self, event: GraphEvent, text: usize) {
        let core = &self.0;
        let at = *event.timestamp();
        let entry = Entry {
            at,
            meta: Meta::default(),
            event: event.into(),
        };
        let Some(sinks) = core.sinks() else {
            core.broadcast_entry(entry);
            return;
        };
        let bytes = RECORD + text;
        let parcel = |to| Parcel::event(sinks, entry, core.legacy.clone(), to);
        let left = if let Some(audit) = sinks.audit() {
            // It is to start no thread, and to say nothing, once the line is held.
            audit.prepare();
            core.line.drop_off(parcel(Addressee::AuditCounts { bytes }))
        } else if core.line.is_crowded() {
            Err(Box::new(parcel(Addressee::Nobody { bytes })))
        } else {
            core.line.drop_off(parcel(Addressee::Nobody { bytes }))
        };
        if let Err(parcel) = left {
            core.record_past_the_line(sinks, *parcel);
        }
    }
}

impl Core {
    /// For when a sink has been busy for so long that too many records wait for it: this one is lost. A
    /// log counts it, and notes it where it would be.
    fn record_past_the_line(&self, sinks: &Arc<Sinks>, parcel: Parcel) {
        let Some(entry) = parcel.into_entry() else {
            return;
        };
        let seq = self.broadcast_entry(entry);
        if sinks.audit().is_some() {
            self.line.leave_lost(sinks);
        } else {
            let error = io::Error::other("too many audit records wait for the sink");
            warn_not_durable(seq, &error);
        }
    }
}

impl AuditSink for BusAudit {
    fn record_sub_agent_invoked(&self, agent_id: &str, sub_thread_id: &str) {
        let text = agent_id.len() + sub_thread_id.len();
        self.record(GraphEvent::sub_agent_invoked(agent_id, sub_thread_id), text);
    }

    fn record_agent_handoff(&self, from: Option<&str>, to: &str) {
        let text = from.map_or(0, str::len) + to.len();
        self.record(GraphEvent::agent_handoff(from, to), text);
    }

    fn record_resumed(&self, from_checkpoint: &str) {
        let text = from_checkpoint.len();
        self.record(GraphEvent::resumed(from_checkpoint), text);
    }

    fn record_memory_recall(&self, tier: &str, namespace_key: &str, hits: usize) {
        let text = tier.len() + namespace_key.len();
        self.record(GraphEvent::memory_recall(tier, namespace_key, hits), text);
    }

    fn record_usage_limit_exceeded(&self, breach: &UsageLimitBreach) {
        self.record(GraphEvent::usage_limit_exceeded(breach), 0);
    }

    fn record_context_compacted(&self, dropped_chars: usize, retained_chars: usize) {
        let event = GraphEvent::context_compacted(dropped_chars, retained_chars);
        self.record(event, 0);
    }

    fn record_event(&self, event: GraphEvent) -> bool {
        // What its texts take, and a little more.
        let text = Event::from(event.clone()).to_json().as_str().len();
        self.record(event, text);
        true
    }
}
