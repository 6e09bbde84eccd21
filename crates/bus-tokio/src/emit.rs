//! The four ways to emit.

use std::sync::Arc;

use bus_core::{DateTime, Event, EventEmitter, SessionEvent, Utc};
use bus_log::LogWriter;

use crate::bus::Core;
use crate::clock;
use crate::envelope::Origin;
use crate::line::{Addressee, Cargo, Parcel, delivers, pump_on_pool};
use crate::receipt::{told, would_deadlock};
use crate::sinks::Sinks;
use crate::wait::{Waiting, waiting};
use crate::{EmitError, Receipt, SessionBus};

impl SessionBus {
    /// Emits an event. It never fails for the caller, and no subscriber is not an error.
    ///
    /// A **durable** event goes to the sink first, and `emit` returns once it is durable and was
    /// broadcast. If the sink fails or panics, that is a `warn` by `tracing`, and the event is
    /// broadcast all the same. An **ephemeral** event waits for nothing.
    ///
    /// **In async code** a durable event blocks the worker thread for as long as the sink takes:
    /// a disk sync, well under a millisecond on a good disk, tens of milliseconds on a bad one. While
    /// a log is down, its sink retries for [`retry_for`](bus_log::LogWriterConfig::retry_for), 5 s if
    /// not told otherwise, and `emit` blocks for as long; a sink of your own, for as long as it likes.
    /// [`publish`](Self::publish) is the same without blocking.
    ///
    /// Called from within a delivery, or on a log's own thread (by a waker, or by a `tracing`
    /// subscriber that hears of a retry) it does not wait: that thread may be the one to wait for.
    pub fn emit(&self, event: SessionEvent) {
        self.emit_event(event);
    }

    /// As [`emit`](Self::emit), for audit and custom events too. They are durable under every
    /// policy; a sink that can't take them has failed.
    pub fn emit_event(&self, event: impl Into<Event>) {
        // Whatever there is to say of a failure was said in a warning.
        let _ = self.try_emit(event);
    }

    /// As [`emit_event`](Self::emit_event), and says whether the event is durable, and where.
    ///
    /// ```
    /// use bus_tokio::{SessionBus, SessionEvent};
    ///
    /// let receipt = SessionBus::new(16).try_emit(SessionEvent::Thinking)?;
    /// assert_eq!((receipt.seq, receipt.durable), (1, false));
    /// # Ok::<(), bus_tokio::EmitError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`EmitError`] if the event was to be durable and may not be: the sink failed, panicked or
    /// can't take such an event. The event is broadcast all the same, and there is a warning.
    pub fn try_emit(&self, event: impl Into<Event>) -> Result<Receipt, EmitError> {
        let event = event.into();
        match self.core().sinks_for(&event) {
            None => Ok(self.core().emit_live(event)),
            Some(sinks) => self.core().emit_durable(sinks, event),
        }
    }

    /// As [`try_emit`](Self::try_emit), without blocking a worker thread.
    ///
    /// Nothing happens before the first poll. From then on the event is on its way: dropping the
    /// future loses nothing and keeps nobody waiting. Events that one task publishes one after the
    /// other stay in that order; so do futures that are polled for the first time in that order.
    ///
    /// A sink that is found to wait for its disk while it takes an event (one that has only
    /// [`write`](bus_core::DurableSink::write)) is called on tokio's pool of blocking threads, or in
    /// place where there is no tokio runtime. And a sink that is full makes its caller wait for room: a
    /// `LogSink` that has 65,536 events waiting, for as long as it retries at most.
    ///
    /// # Errors
    ///
    /// As [`try_emit`](Self::try_emit).
    pub async fn publish(&self, event: impl Into<Event> + Send) -> Result<Receipt, EmitError> {
        let core = self.core();
        let event = event.into();
        let Some(sinks) = core.sinks_for(&event) else {
            return Ok(core.emit_live(event));
        };
        let (parcel, waiting) = core.begin(sinks, event)?;
        let blocks = sinks.blocks();
        core.line.defer(parcel);
        if !(blocks && pump_on_pool(&core.line)) {
            core.line.pump();
        }
        told(waiting.await)
    }
}

impl EventEmitter for SessionBus {
    fn emit(&self, event: SessionEvent) {
        Self::emit(self, event);
    }
}

impl Core {
    /// Emits an event that need not be durable.
    fn emit_live(&self, event: Event) -> Receipt {
        Receipt::live(self.broadcast(event, None))
    }

    /// Emits an event, and blocks until it is durable and was delivered.
    fn emit_durable(&self, sinks: &Arc<Sinks>, event: Event) -> Result<Receipt, EmitError> {
        let (parcel, waiting) = self.begin(sinks, event)?;
        if delivers() || LogWriter::on_writer_thread() {
            self.line.leave(parcel);
            told_now(waiting)
        } else {
            // This thread blocks either way: it may as well do the sink's work.
            if let Some(helper) = self.line.send(parcel) {
                helper.help();
            }
            told(waiting.wait())
        }
    }

    /// Makes an event ready to go to its sinks.
    fn begin(&self, sinks: &Arc<Sinks>, event: Event) -> Result<(Parcel, Waiting), EmitError> {
        let at = clock::now();
        if self.line.is_held_here() {
            let seq = self.broadcast(event, Some(at));
            let error = would_deadlock("emitted from within the sink itself");
            return Err(EmitError::new(Some(seq), error));
        }
        let (teller, waiting) = waiting();
        let to = Addressee::Emitter(teller);
        Ok((self.parcel(sinks, event, at, to), waiting))
    }

    /// Shows an event, which is not durable, to everybody. It was emitted `at`, or is now.
    pub(crate) fn broadcast(&self, event: Event, at: Option<DateTime<Utc>>) -> u64 {
        let legacy = self.legacy.as_deref();
        self.line
            .broadcast(legacy, event, at, None, Origin::UNKNOWN)
    }

    pub(crate) fn parcel(
        &self,
        sinks: &Arc<Sinks>,
        event: Event,
        at: DateTime<Utc>,
        to: Addressee,
    ) -> Parcel {
        Parcel {
            sinks: Some(Arc::clone(sinks)),
            cargo: Cargo::Event {
                event,
                at,
                origin: sinks.origin(),
                legacy: self.legacy.clone(),
                to,
            },
        }
    }
}

/// The result of an emit that must not wait.
fn told_now(waiting: Waiting) -> Result<Receipt, EmitError> {
    waiting.now().map_or_else(
        || {
            let error = would_deadlock("emitted from within a delivery, or on a log's own thread");
            Err(EmitError::new(None, error))
        },
        told,
    )
}
