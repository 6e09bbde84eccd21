//! The ways to emit.

use std::io;
use std::pin::Pin;
use std::sync::Arc;

use bus_core::{DateTime, Event, EventEmitter, Meta, SessionEvent, SinkThread, TicketOutcome, Utc};
use bus_log::Entry;

use crate::bus::Core;
use crate::clock;
use crate::delivered::{Waiting, waiting};
use crate::line::{Addressee, Parcel, delivers};
use crate::receipt::{told, would_deadlock};
use crate::sinks::Sinks;
use crate::warn::warn_not_durable;
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
    /// subscriber that hears of a retry) it does not wait: that thread may be the one to wait for. The same holds
    /// for a thread that is committing on a log's behalf, and for any thread marked with [`SinkThread`].
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
            Some(sinks) => self.core().emit_durable(sinks, entry_of(event)),
        }
    }

    /// As [`emit_event`](Self::emit_event), with a time and with what is known besides: an `id` by which to recognise
    /// the event again, say. Subscribers find both in the [envelope](crate::Envelope), and a log keeps them; a durable
    /// sink that is no log has no place for them.
    ///
    /// ```
    /// use bus_tokio::{Entry, Meta, SessionBus, SessionEvent};
    ///
    /// let bus = SessionBus::new(16);
    /// let mut screen = bus.subscribe_envelopes();
    /// let meta = Meta::default().with("id", "e-1")?;
    /// bus.emit_entry(Entry { meta, ..Entry::from(SessionEvent::Done) });
    /// assert_eq!(screen.try_recv().unwrap().meta.id().as_deref(), Some("e-1"));
    /// # Ok::<(), bus_tokio::JsonError>(())
    /// ```
    pub fn emit_entry(&self, entry: Entry) {
        // Whatever there is to say of a failure was said in a warning.
        let _ = self.try_emit_entry(entry);
    }

    /// As [`try_emit`](Self::try_emit), with a time and with what is known besides: see
    /// [`emit_entry`](Self::emit_entry).
    ///
    /// # Errors
    ///
    /// As [`try_emit`](Self::try_emit).
    pub fn try_emit_entry(&self, entry: Entry) -> Result<Receipt, EmitError> {
        match self.core().sinks_for(&entry.event) {
            None => Ok(self.core().emit_entry_live(entry)),
            Some(sinks) => self.core().emit_durable(sinks, entry),
        }
    }

    /// As [`try_emit`](Self::try_emit), without blocking a worker thread.
    ///
    /// Nothing happens before the first poll. From then on the event is on its way: dropping the
    /// future loses nothing and keeps nobody waiting. Events that one task publishes one after the
    /// other stay in that order; so do futures that are polled for the first time in that order.
    ///
    /// No poll blocks its thread. A sink that may block (one that has no
    /// [`try_submit`](bus_core::DurableSink::try_submit)) is called by a thread of the bus. For a sink that is
    /// full 65,536 events, or 64 MiB of them, wait in line, audit records included; a log gives them up when
    /// [`retry_for`](bus_log::LogWriterConfig::retry_for) has passed since their first poll. A future that finds the
    /// line full keeps its event until it has a place there: only dropping it before then loses the event, and it may
    /// be overtaken.
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
        core.publish(sinks, entry_of(event)).await
    }

    /// As [`publish`](Self::publish), with a time and with what is known besides: see
    /// [`emit_entry`](Self::emit_entry).
    ///
    /// # Errors
    ///
    /// As [`try_emit`](Self::try_emit).
    pub async fn publish_entry(&self, entry: Entry) -> Result<Receipt, EmitError> {
        let core = self.core();
        let Some(sinks) = core.sinks_for(&entry.event) else {
            return Ok(core.emit_entry_live(entry));
        };
        core.publish(sinks, entry).await
    }
}

impl EventEmitter for SessionBus {
    fn emit(&self, event: SessionEvent) {
        Self::emit(self, event);
    }

    fn emit_with_meta(&self, event: Event, meta: Meta) -> bool {
        let entry = entry_of(event);
        self.emit_entry(Entry { meta, ..entry });
        true
    }

    fn publish<'a>(
        &'a self,
        event: Event,
        meta: Meta,
    ) -> Pin<Box<dyn Future<Output = TicketOutcome> + Send + 'a>> {
        let entry = entry_of(event);
        Box::pin(async move {
            match self.publish_entry(Entry { meta, ..entry }).await {
                Ok(receipt) => Ok(receipt.ordinal),
                Err(error) => Err(error.into_source()),
            }
        })
    }
}

/// An event that is emitted now.
fn entry_of(event: Event) -> Entry {
    Entry {
        at: clock::now(),
        meta: Meta::default(),
        event,
    }
}

impl Core {
    /// Emits an event that need not be durable.
    fn emit_live(&self, event: Event) -> Receipt {
        Receipt::live(self.broadcast((event, Meta::default()), None))
    }

    fn emit_entry_live(&self, entry: Entry) -> Receipt {
        Receipt::live(self.broadcast_entry(entry))
    }

    async fn publish(&self, sinks: &Arc<Sinks>, entry: Entry) -> Result<Receipt, EmitError> {
        let (parcel, waiting) = self.begin(sinks, entry)?;
        self.line.publish(parcel).await;
        told(waiting.await)
    }

    /// Emits an event, and blocks until it is durable and was delivered.
    fn emit_durable(&self, sinks: &Arc<Sinks>, entry: Entry) -> Result<Receipt, EmitError> {
        let (parcel, waiting) = self.begin(sinks, entry)?;
        if must_not_wait() {
            match self.line.drop_off(parcel) {
                Ok(()) => told_now(waiting),
                Err(parcel) => {
                    // It hears of it here, and of nothing else.
                    drop(waiting.now());
                    self.pass_by(*parcel)
                }
            }
        } else {
            // This thread blocks either way: it may as well do the sink's work.
            if let Some(helper) = self.line.send(parcel) {
                helper.help();
            }
            told(waiting.wait())
        }
    }

    /// Makes an event ready to go to its sinks.
    fn begin(&self, sinks: &Arc<Sinks>, entry: Entry) -> Result<(Parcel, Waiting), EmitError> {
        if self.line.is_held_here() {
            let seq = self.broadcast_entry(entry);
            let error = would_deadlock("emitted from within the sink itself");
            return Err(EmitError::new(Some(seq), error));
        }
        let (teller, waiting) = waiting();
        let to = Addressee::Emitter(teller);
        let parcel = Parcel::event(sinks, entry, self.legacy.clone(), to);
        Ok((parcel, waiting))
    }

    /// For when too many wait for a sink: an event that can't wait with them is only seen.
    fn pass_by(&self, parcel: Parcel) -> Result<Receipt, EmitError> {
        let seq = parcel.into_entry().map(|entry| self.broadcast_entry(entry));
        let error = io::Error::new(
            io::ErrorKind::WouldBlock,
            "too many events wait for the sink",
        );
        warn_not_durable(seq.unwrap_or(0), &error);
        Err(EmitError::new(seq, error))
    }

    /// Shows an event, which is not durable, to everybody.
    pub(crate) fn broadcast_entry(&self, Entry { at, meta, event }: Entry) -> u64 {
        self.broadcast((event, meta), Some(at))
    }

    /// The same. It was emitted `at`, or is now.
    fn broadcast(&self, shown: (Event, Meta), at: Option<DateTime<Utc>>) -> u64 {
        self.line.broadcast(self.legacy.as_deref(), shown, at)
    }
}

/// Whether this thread may be the very one that others wait for.
pub(crate) fn must_not_wait() -> bool {
    delivers() || SinkThread::is_current()
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
