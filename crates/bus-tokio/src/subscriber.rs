//! The reading end of the bus.

use std::fmt;
use std::future::poll_fn;
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bus_core::{Event, SessionEvent};
use futures_core::Stream;
use tokio::sync::broadcast::error::{RecvError, TryRecvError};

use crate::Envelope;
use crate::ring::Receiver;

/// A reader of the bus: of owned session events ([`subscribe`](crate::SessionBus::subscribe)), or of
/// shared envelopes ([`EnvelopeSubscriber`]).
///
/// It works under any executor. It is a [`Stream`] too, whose items are what [`recv`](Self::recv)
/// returns, and which ends when the last clone of the bus is gone and everything was read.
///
/// One that is not read does not hold up anybody. It falls behind, and once it is more than the
/// bus's capacity behind, it loses the oldest envelopes and is told how many: see
/// [lag](crate#lag).
#[must_use = "a subscriber that nobody reads only falls behind"]
pub struct Subscriber<T = SessionEvent> {
    receiver: Receiver,
    /// Empty between calls; kept for its room.
    batch: Vec<Arc<Envelope>>,
    item: PhantomData<fn() -> T>,
}

/// A subscriber to everything, audit and custom events too, in envelopes that all subscribers
/// share: see [`subscribe_envelopes`](crate::SessionBus::subscribe_envelopes).
pub type EnvelopeSubscriber = Subscriber<Arc<Envelope>>;

/// What a subscriber makes of an envelope.
pub trait FromEnvelope: sealed::Sealed + Sized + Send + 'static {
    /// `None` if the envelope holds nothing of this kind.
    #[doc(hidden)]
    fn open(envelope: Arc<Envelope>) -> Option<Self>;
}

pub(crate) mod sealed {
    pub trait Sealed {}
    impl Sealed for super::SessionEvent {}
    impl Sealed for super::Arc<super::Envelope> {}
}

impl FromEnvelope for Arc<Envelope> {
    fn open(envelope: Arc<Envelope>) -> Option<Self> {
        Some(envelope)
    }
}

impl FromEnvelope for SessionEvent {
    /// The last to read an envelope gets the event without a copy.
    fn open(envelope: Arc<Envelope>) -> Option<Self> {
        match Arc::try_unwrap(envelope) {
            Ok(Envelope { event, .. }) => match event {
                Event::Session(event) => Some(event),
                _ => None,
            },
            Err(shared) => shared.event.as_session().cloned(),
        }
    }
}

impl<T: FromEnvelope> Subscriber<T> {
    pub(crate) const fn new(receiver: Receiver) -> Self {
        Self {
            receiver,
            batch: Vec::new(),
            item: PhantomData,
        }
    }

    /// Waits for the next one.
    ///
    /// Cancel-safe: a future that is dropped before it is ready has taken nothing.
    ///
    /// On a tokio runtime, a task that finds the bus busy has to yield after 128 looks at it. Each look
    /// takes up to 32 envelopes ahead: one that takes long over each should yield by itself.
    ///
    /// # Errors
    ///
    /// - [`Lagged(n)`](RecvError::Lagged): exactly `n` *envelopes*, of whatever kind, were
    ///   overwritten unread. The next call goes on with the oldest that is left.
    /// - [`Closed`](RecvError::Closed): the last clone of the bus is gone, and everything was read.
    pub async fn recv(&mut self) -> Result<T, RecvError> {
        poll_fn(|cx| self.poll_recv(cx)).await
    }

    /// The next one, if it is there.
    ///
    /// # Errors
    ///
    /// As [`recv`](Self::recv), and [`Empty`](TryRecvError::Empty) if there is none yet.
    pub fn try_recv(&mut self) -> Result<T, TryRecvError> {
        loop {
            if let Some(item) = T::open(self.receiver.try_recv()?) {
                return Ok(item);
            }
        }
    }

    /// Waits until there is one, then takes what is there, up to `limit` and up to 64, and appends it to
    /// `into`. Returns how many: 0 only for a `limit` of 0. Emitters wait while it takes them, hence the 64.
    ///
    /// It locks the bus once for all of them, which is what makes it the way to read a busy one.
    /// Cancel-safe, as [`recv`](Self::recv) is.
    ///
    /// # Errors
    ///
    /// As [`recv`](Self::recv); `into` is then as it was.
    pub async fn recv_many(&mut self, into: &mut Vec<T>, limit: usize) -> Result<usize, RecvError> {
        if limit == 0 {
            return Ok(0);
        }
        poll_fn(|cx| {
            loop {
                let batch = &mut self.batch;
                ready!(
                    self.receiver
                        .poll_recv(cx, limit, |envelope| batch.push(envelope))
                )?;
                let before = into.len();
                into.extend(self.batch.drain(..).filter_map(T::open));
                let took = into.len() - before;
                if took > 0 {
                    return Poll::Ready(Ok(took));
                }
            }
        })
        .await
    }

    fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<Result<T, RecvError>> {
        loop {
            let mut one = None;
            ready!(
                self.receiver
                    .poll_recv(cx, 1, |envelope| one = Some(envelope))
            )?;
            if let Some(item) = one.and_then(T::open) {
                return Poll::Ready(Ok(item));
            }
        }
    }
}

impl<T: FromEnvelope> Stream for Subscriber<T> {
    type Item = Result<T, RecvError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Poll::Ready(match ready!(self.poll_recv(cx)) {
            Err(RecvError::Closed) => None,
            item => Some(item),
        })
    }
}

impl<T> fmt::Debug for Subscriber<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscriber").finish_non_exhaustive()
    }
}
