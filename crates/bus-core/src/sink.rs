//! Where events go.

mod thread;
mod ticket;

use std::io;
use std::pin::Pin;
use std::task::Waker;
use std::time::Duration;

use crate::{Event, Meta, SessionEvent};

pub use thread::SinkThread;
pub use ticket::{Completer, Driver, Helper, Ticket, TicketOutcome};

/// What a framework holds to say what happens. `bus-tokio`'s `SessionBus` is one.
///
/// `emit` is infallible for the caller: an emitter that loses an event reports it itself.
///
/// ```
/// use std::sync::Mutex;
/// use bus_core::{EventEmitter, SessionEvent};
///
/// /// Enough for a framework's own tests.
/// #[derive(Default)]
/// struct Heard(Mutex<Vec<SessionEvent>>);
///
/// impl EventEmitter for Heard {
///     fn emit(&self, event: SessionEvent) {
///         self.0.lock().unwrap().push(event);
///     }
/// }
///
/// fn turn(events: &dyn EventEmitter) {
///     events.emit(SessionEvent::Thinking);
///     events.emit(SessionEvent::Done);
/// }
///
/// let heard = Heard::default();
/// turn(&heard);
/// assert_eq!(heard.0.lock().unwrap().len(), 2);
/// ```
pub trait EventEmitter: Send + Sync + 'static {
    /// Says that `event` happened. For a durable event this may block until it is on disk.
    fn emit(&self, event: SessionEvent);

    /// As [`emit`](Self::emit), for audit and custom events too, and with what is known besides: an `id` by which to
    /// recognise the event again, say. False if this emitter can't take the event: it is lost.
    ///
    /// The default knows no more than `emit`: it gives a session event to it, without the meta, and takes no
    /// audit or custom event.
    #[must_use = "false says that the event is lost"]
    fn emit_with_meta(&self, event: Event, meta: Meta) -> bool {
        drop(meta);
        if let Event::Session(event) = event {
            self.emit(event);
            return true;
        }
        false
    }

    /// As [`emit_with_meta`](Self::emit_with_meta), for async code: tells at which ordinal the event is durable, if the
    /// emitter knows one, or why it may not be. An event that need not be durable gives `Ok(None)`.
    ///
    /// A bus does not block the thread that polls it. The default knows no better than `emit_with_meta`: it calls that
    /// when first polled, however long it takes. If nobody polls the future, the event may not be emitted.
    ///
    /// ```
    /// # use std::pin::pin;
    /// # use std::task::{Context, Poll, Waker};
    /// use bus_core::{CustomEvent, EventEmitter, Json, Meta};
    /// # struct Deaf;
    /// # impl EventEmitter for Deaf { fn emit(&self, _: bus_core::SessionEvent) {} }
    ///
    /// async fn plan_changed(events: &dyn EventEmitter) -> std::io::Result<()> {
    ///     let plan = CustomEvent::new("acme.plan_changed", Json::string("three steps"));
    ///     let plan = plan.map_err(std::io::Error::other)?;
    ///     events.publish(plan.into(), Meta::default()).await?;
    ///     Ok(())
    /// }
    /// # // This emitter takes session events only, and says so.
    /// # let polled = pin!(plan_changed(&Deaf)).poll(&mut Context::from_waker(Waker::noop()));
    /// # assert!(matches!(polled, Poll::Ready(Err(_))));
    /// ```
    fn publish<'a>(
        &'a self,
        event: Event,
        meta: Meta,
    ) -> Pin<Box<dyn Future<Output = TicketOutcome> + Send + 'a>> {
        Box::pin(async move {
            match self.emit_with_meta(event, meta) {
                true => Ok(None),
                false => Err(io::Error::new(
                    io::ErrorKind::Unsupported,
                    "this emitter can't take the event",
                )),
            }
        })
    }
}

impl<T: EventEmitter + ?Sized> EventEmitter for std::sync::Arc<T> {
    fn emit(&self, event: SessionEvent) {
        (**self).emit(event);
    }

    fn emit_with_meta(&self, event: Event, meta: Meta) -> bool {
        (**self).emit_with_meta(event, meta)
    }

    fn publish<'a>(
        &'a self,
        event: Event,
        meta: Meta,
    ) -> Pin<Box<dyn Future<Output = TicketOutcome> + Send + 'a>> {
        (**self).publish(event, meta)
    }
}

/// Takes events that must survive a crash.
///
/// A simple sink implements [`write`](Self::write) alone. One that can fix an event's place before
/// the disk has it implements [`submit`](Self::submit) too, so that many emitters share one sync; and
/// [`try_submit`](Self::try_submit), so that tasks need no thread to wait for it.
///
/// | method | must | may |
/// |---|---|---|
/// | `write` | return `Ok` only when the event is durable | block |
/// | `submit` | keep the order in which it is called, `try_submit` included | wait for room |
/// | `try_submit` | wait for nothing; when full, wake `room` once there may be room | leave it to `submit` |
/// | `patience` | – | bound how long a caller tries while it is full |
///
/// ```
/// use std::fs::File;
/// use std::io::{self, Write};
/// use std::sync::Mutex;
/// use bus_core::{DurableSink, Event, SessionEvent};
///
/// /// Lines in a file, each synced.
/// struct Lines(Mutex<File>);
///
/// impl DurableSink for Lines {
///     fn write(&self, event: &SessionEvent) -> io::Result<()> {
///         let mut file = self.0.lock().unwrap();
///         writeln!(file, "{}", Event::from(event.clone()).to_json())?;
///         file.sync_data()
///     }
/// }
///
/// let path = std::env::temp_dir().join(format!("lines-{}", std::process::id()));
/// let sink = Lines(Mutex::new(File::create(&path)?));
/// sink.write(&SessionEvent::Done)?;
/// sink.submit(SessionEvent::Done.into()).wait()?;
/// assert_eq!(std::fs::read_to_string(&path)?.lines().count(), 2);
/// # std::fs::remove_file(path)?;
/// # Ok::<(), io::Error>(())
/// ```
pub trait DurableSink: Send + Sync + 'static {
    /// Writes one event; it is durable when this returns `Ok`.
    ///
    /// # Errors
    ///
    /// Whatever the medium says. The event may then be there or not.
    fn write(&self, event: &SessionEvent) -> io::Result<()>;

    /// Takes one event, fixes its place after all that were submitted before, and returns a
    /// [`Ticket`] that tells when it is durable and at which ordinal.
    ///
    /// The default writes it now, and refuses audit and custom events with
    /// [`Unsupported`](io::ErrorKind::Unsupported): `write` can't take them.
    fn submit(&self, event: Event) -> Ticket {
        Ticket::ready(match event {
            Event::Session(event) => self.write(&event).map(|()| None),
            Event::Audit(_) | Event::Custom(_) => Err(io::Error::new(
                io::ErrorKind::Unsupported,
                "this sink takes session events only",
            )),
        })
    }

    /// As [`submit`](Self::submit), for a caller that can't wait: neither for a disk nor for room.
    ///
    /// A sink that is full says so, keeps `room`, and wakes it once it may be worth while to try again; one
    /// waker of a caller is enough, however often it tries. To wake too often does no harm. A sink that is closed is
    /// not full: its ticket fails.
    ///
    /// The default says that `submit` [may block](TrySubmit::MayBlock). A sink whose `submit` does not
    /// should override this: a caller that can't wait must then not go to another thread.
    fn try_submit(&self, event: &Event, room: &Waker) -> TrySubmit {
        let _ = (event, room);
        TrySubmit::MayBlock
    }

    /// How long a caller who is told [`Full`](TrySubmit::Full) should go on trying, before it takes the event for one that
    /// could not be written; `None`, the default, or a time that no clock can count, for as long as it takes.
    fn patience(&self) -> Option<Duration> {
        None
    }
}

/// What became of an event that was offered by [`try_submit`](DurableSink::try_submit).
#[derive(Debug)]
#[non_exhaustive]
pub enum TrySubmit {
    /// The sink has taken it: its place is fixed.
    Taken(Ticket),
    /// The sink has no room for it now, and will wake the waker.
    Full,
    /// The sink does not know. Its [`submit`](DurableSink::submit) is to be called, by a thread that may block.
    MayBlock,
}

impl<T: DurableSink + ?Sized> DurableSink for std::sync::Arc<T> {
    fn write(&self, event: &SessionEvent) -> io::Result<()> {
        (**self).write(event)
    }

    fn submit(&self, event: Event) -> Ticket {
        (**self).submit(event)
    }

    fn try_submit(&self, event: &Event, room: &Waker) -> TrySubmit {
        (**self).try_submit(event, room)
    }

    fn patience(&self) -> Option<Duration> {
        (**self).patience()
    }
}

/// A sink of either kind that keeps nothing and never fails: a [`DurableSink`] and an
/// [`AuditSink`](crate::AuditSink).
#[derive(Clone, Copy, Debug, Default)]
pub struct NoopSink;

impl DurableSink for NoopSink {
    fn write(&self, _event: &SessionEvent) -> io::Result<()> {
        Ok(())
    }

    fn submit(&self, _event: Event) -> Ticket {
        Ticket::ready(Ok(None))
    }

    fn try_submit(&self, _event: &Event, _room: &Waker) -> TrySubmit {
        TrySubmit::Taken(Ticket::ready(Ok(None)))
    }
}

#[cfg(test)]
mod tests;
