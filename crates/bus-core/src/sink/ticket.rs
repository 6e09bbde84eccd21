//! A promise that an event will be durable.

use std::fmt;
use std::future::Future;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

/// What a [`Ticket`] tells in the end: the event's ordinal where the sink knows one, or why the
/// event may not be durable.
pub type TicketOutcome = io::Result<Option<u64>>;

/// An event whose place is fixed and that will be durable later.
///
/// It is told once, in one of three ways: as a [`Future`] under any executor, by blocking in
/// [`wait`](Self::wait), or by a callback given to [`on_ready`](Self::on_ready). Dropping a ticket
/// takes nothing back: the event is written all the same.
///
/// ```
/// use bus_core::Ticket;
///
/// let (ticket, completer) = Ticket::pending();
/// std::thread::spawn(move || completer.complete(Ok(Some(7))));
/// assert_eq!(ticket.wait().unwrap(), Some(7));
/// ```
#[must_use = "a ticket tells whether the event became durable"]
pub struct Ticket(State);

enum State {
    Ready(Option<TicketOutcome>),
    Pending(Arc<Shared>),
}

/// The other end of a [`Ticket`].
///
/// Dropped without a word, as by a sink that dies, it fails the ticket with
/// [`BrokenPipe`](io::ErrorKind::BrokenPipe): nobody waits for good.
pub struct Completer(Option<Arc<Shared>>);

type Callback = Box<dyn FnOnce(TicketOutcome) + Send>;

struct Shared {
    /// Nobody else's code runs under this lock: wakers are cloned, woken and dropped outside. The
    /// last of a task's wakers may drop the task, and with it the [`Completer`], which locks.
    slot: Mutex<Slot>,
    told: Condvar,
}

enum Slot {
    /// Nobody asks yet, nothing to tell yet.
    Idle,
    /// A task asks.
    Waker(Waker),
    /// A callback asks.
    Callback(Callback),
    /// Something to tell.
    Told(TicketOutcome),
    /// Told and taken.
    Taken,
}

impl Ticket {
    /// A ticket whose outcome is known already.
    pub const fn ready(outcome: TicketOutcome) -> Self {
        Self(State::Ready(Some(outcome)))
    }

    /// A ticket and the end that tells it.
    pub fn pending() -> (Self, Completer) {
        let shared = Arc::new(Shared {
            slot: Mutex::new(Slot::Idle),
            told: Condvar::new(),
        });
        (
            Self(State::Pending(Arc::clone(&shared))),
            Completer(Some(shared)),
        )
    }

    /// Blocks the thread until the outcome is known.
    ///
    /// # Errors
    ///
    /// Whatever the sink said; [`BrokenPipe`](io::ErrorKind::BrokenPipe) if it went away.
    ///
    /// # Panics
    ///
    /// Panics if the ticket was polled to its end before.
    pub fn wait(self) -> TicketOutcome {
        let shared = match self.0 {
            State::Ready(outcome) => return taken_once(outcome),
            State::Pending(shared) => shared,
        };
        let mut slot = shared.lock();
        if matches!(*slot, Slot::Waker(_)) {
            // Whoever polled it before gave it up by moving it here: forget the waker.
            let polled = std::mem::replace(&mut *slot, Slot::Idle);
            drop(slot);
            drop(polled);
            slot = shared.lock();
        }
        loop {
            if let Some(outcome) = slot.take_told() {
                return taken_once(outcome);
            }
            slot = shared
                .told
                .wait(slot)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Calls `callback` with the outcome: at once if it is known, else on the thread that completes
    /// the ticket, before its [`Completer::complete`] returns. Keep it short; if it panics,
    /// `complete` does.
    ///
    /// # Panics
    ///
    /// Panics if the ticket was polled to its end before.
    pub fn on_ready(self, callback: impl FnOnce(TicketOutcome) + Send + 'static) {
        let shared = match self.0 {
            State::Ready(outcome) => return callback(taken_once(outcome)),
            State::Pending(shared) => shared,
        };
        let mut slot = shared.lock();
        if let Some(outcome) = slot.take_told() {
            drop(slot);
            return callback(taken_once(outcome));
        }
        let polled = std::mem::replace(&mut *slot, Slot::Callback(Box::new(callback)));
        drop(slot);
        drop(polled);
    }
}

impl Future for Ticket {
    type Output = TicketOutcome;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let shared = match &mut self.0 {
            State::Ready(outcome) => return Poll::Ready(taken_once(outcome.take())),
            State::Pending(shared) => shared,
        };
        let waker = cx.waker().clone();
        let mut slot = shared.lock();
        if let Some(outcome) = slot.take_told() {
            drop(slot);
            return Poll::Ready(taken_once(outcome));
        }
        let polled = std::mem::replace(&mut *slot, Slot::Waker(waker));
        drop(slot);
        drop(polled);
        Poll::Pending
    }
}

impl Slot {
    /// What there is to tell, once: `Some(None)` if it was taken before, `None` if it is not known.
    fn take_told(&mut self) -> Option<Option<TicketOutcome>> {
        if !matches!(self, Self::Told(_) | Self::Taken) {
            return None;
        }
        match std::mem::replace(self, Self::Taken) {
            Self::Told(outcome) => Some(Some(outcome)),
            _ => Some(None),
        }
    }
}

#[track_caller]
fn taken_once(outcome: Option<TicketOutcome>) -> TicketOutcome {
    match outcome {
        Some(outcome) => outcome,
        None => panic!("ticket asked again after it had told its outcome"),
    }
}

impl Completer {
    /// Tells the outcome to whoever holds the ticket.
    pub fn complete(mut self, outcome: TicketOutcome) {
        self.tell(outcome);
    }

    fn tell(&mut self, outcome: TicketOutcome) {
        let Some(shared) = self.0.take() else { return };
        let mut slot = shared.lock();
        match std::mem::replace(&mut *slot, Slot::Taken) {
            Slot::Callback(callback) => {
                drop(slot);
                callback(outcome);
            }
            Slot::Waker(waker) => {
                *slot = Slot::Told(outcome);
                drop(slot);
                waker.wake();
            }
            Slot::Idle | Slot::Told(_) | Slot::Taken => {
                *slot = Slot::Told(outcome);
                drop(slot);
                shared.told.notify_one();
            }
        }
    }
}

impl Drop for Completer {
    fn drop(&mut self) {
        // A callback that panics must not make an abort of a sink's panic.
        let _ = catch_unwind(AssertUnwindSafe(|| {
            self.tell(Err(io::Error::new(
                io::ErrorKind::BrokenPipe,
                "the sink went away before the event was durable",
            )));
        }));
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Slot> {
        self.slot.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Ticket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            State::Ready(outcome) => f.debug_tuple("Ticket").field(outcome).finish(),
            State::Pending(_) => f.write_str("Ticket(pending)"),
        }
    }
}

impl fmt::Debug for Completer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Completer")
    }
}
