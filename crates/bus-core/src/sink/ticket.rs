//! A promise that an event will be durable.

use std::fmt;
use std::future::Future;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::{Arc, PoisonError};
use std::task::{Context, Poll, Waker};

use super::thread::SinkThread;
use crate::sync::{Condvar, Mutex, MutexGuard};

/// What a [`Ticket`] tells in the end: the event's ordinal where the sink knows one, or why the
/// event may not be durable.
pub type TicketOutcome = io::Result<Option<u64>>;

/// An event whose place is fixed and that will be durable later.
///
/// It is told once, in one of three ways: as a [`Future`] under any executor, by blocking in
/// [`wait`](Self::wait), or by a callback given to [`on_ready`](Self::on_ready). Dropping a ticket
/// takes nothing back: the event is written all the same.
///
/// A sink may give its tickets a [`Driver`]: then a thread that waits does the sink's work where nobody else
/// does, instead of waking another thread and waiting for it.
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
    Pending(Pending),
}

/// Does the work that tickets wait for.
///
/// A sink whose tickets have one may leave all work undone until it is asked: every ticket asks, by
/// one of the two methods, as soon as anybody polls it, waits for it, gives it a callback or drops it, unless
/// it has told by then. One that is kept and never asked does not ask either: a sink does its work soon all
/// the same.
pub trait Driver: Send + Sync + 'static {
    /// Called by a thread that is about to block for a ticket. It may work here, until `told` says that
    /// the ticket has told. It may return at any time; the thread then blocks, so the work must be
    /// going on elsewhere.
    ///
    /// It may run the callbacks and wakers of other tickets. The thread is a [`SinkThread`] meanwhile.
    fn help(&self, told: &dyn Fn() -> bool);

    /// As [`help`](Self::help), by a thread that is about to block until the ticket's callback was called.
    fn help_callback(&self, told: &dyn Fn() -> bool) {
        self.help(told);
    }

    /// Called for somebody who can't block: sees to it that the work is done elsewhere. Must not
    /// block.
    fn start(&self);
}

/// A ticket that may not have told yet. Dropping it asks its driver, unless that was asked before or the
/// ticket has told: there is nothing to ask for then.
struct Pending {
    shared: Arc<Shared>,
    driver: Option<Arc<dyn Driver>>,
}

impl Pending {
    fn help(&mut self) {
        if let Some(driver) = self.take_driver() {
            let _working = SinkThread::enter();
            driver.help(&|| self.shared.lock().is_told());
        }
    }

    fn help_callback(&mut self) {
        if let Some(driver) = self.take_driver() {
            let _working = SinkThread::enter();
            driver.help_callback(&|| self.shared.lock().is_told());
        }
    }

    fn start(&mut self) {
        if let Some(driver) = self.take_driver() {
            driver.start();
        }
    }

    fn take_driver(&mut self) -> Option<Arc<dyn Driver>> {
        let driver = self.driver.take()?;
        let is_told = self.shared.lock().is_told();
        (!is_told).then_some(driver)
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        // A driver that panics must not make an abort of somebody's panic.
        let _ = catch_unwind(AssertUnwindSafe(|| self.start()));
    }
}

/// What is left of a [`Ticket`] that has a callback: the means to do the work that it waits for.
///
/// Dropping it has the work done elsewhere.
#[must_use = "dropping it has the work done by another thread"]
pub struct Helper(Option<Pending>);

impl Helper {
    /// Does the work on this thread, if the sink lets its waiters do so and nobody else does. When
    /// it returns the callback has been called, or will be by another thread.
    pub fn help(mut self) {
        if let Some(mut pending) = self.0.take() {
            pending.help_callback();
        }
    }
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
    /// A thread is blocked until there is something to tell.
    Blocked,
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
        Self::with(None)
    }

    /// A ticket that has its work done by `driver`, and the end that tells it.
    ///
    /// ```
    /// use std::sync::{Arc, Mutex};
    /// use bus_core::{Completer, Driver, Ticket};
    ///
    /// #[derive(Default)]
    /// struct Work(Mutex<Option<Completer>>);
    ///
    /// impl Driver for Work {
    ///     fn help(&self, _told: &dyn Fn() -> bool) {
    ///         let completer = self.0.lock().unwrap().take();
    ///         completer.into_iter().for_each(|c| c.complete(Ok(Some(1))));
    ///     }
    ///
    ///     fn start(&self) {
    ///         // A real one would wake a thread.
    ///         self.help(&|| false);
    ///     }
    /// }
    ///
    /// let work = Arc::new(Work::default());
    /// let (ticket, completer) = Ticket::pending_driven(work.clone());
    /// *work.0.lock().unwrap() = Some(completer);
    /// assert_eq!(ticket.wait().unwrap(), Some(1));
    /// ```
    pub fn pending_driven(driver: Arc<dyn Driver>) -> (Self, Completer) {
        Self::with(Some(driver))
    }

    fn with(driver: Option<Arc<dyn Driver>>) -> (Self, Completer) {
        let shared = Arc::new(Shared {
            slot: Mutex::new(Slot::Idle),
            told: Condvar::new(),
        });
        let pending = Pending {
            shared: Arc::clone(&shared),
            driver,
        };
        (Self(State::Pending(pending)), Completer(Some(shared)))
    }

    /// Whether the outcome is known. Asks for no work to be done.
    #[must_use]
    pub fn is_told(&self) -> bool {
        match &self.0 {
            State::Ready(_) => true,
            State::Pending(pending) => pending.shared.lock().is_told(),
        }
    }

    /// Blocks the thread until the outcome is known. Where the sink lets its waiters work, the thread
    /// does that first: other tickets' callbacks and wakers may run on it.
    ///
    /// # Errors
    ///
    /// Whatever the sink said; [`BrokenPipe`](io::ErrorKind::BrokenPipe) if it went away.
    ///
    /// # Panics
    ///
    /// Panics if the ticket was polled to its end before.
    pub fn wait(self) -> TicketOutcome {
        let mut pending = match self.0 {
            State::Ready(outcome) => return taken_once(outcome),
            State::Pending(pending) => pending,
        };
        pending.shared.block();
        pending.help();
        let shared = &pending.shared;
        let mut slot = shared.lock();
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
    /// the ticket, before its [`Completer::complete`] returns. That may be any thread that waits for a
    /// ticket of the same sink. If it panics, `complete` does.
    ///
    /// Keep it short: a sink may call one after another, so that all others wait for this one. It may submit to
    /// the sink, and wait there itself, by [`wait`](Self::wait) or by polling a ticket to its end. It must wait for nothing
    /// that another callback, thread or task does only once it is told of a ticket: for no lock that somebody
    /// holds while they wait for one, and for no task that does.
    ///
    /// # Panics
    ///
    /// Panics if the ticket was polled to its end before.
    pub fn on_ready(self, callback: impl FnOnce(TicketOutcome) + Send + 'static) {
        drop(self.on_ready_helping(callback));
    }

    /// As [`on_ready`](Self::on_ready), for a caller that will block until the callback was called: before it
    /// does, it can [help](Helper::help).
    ///
    /// # Panics
    ///
    /// Panics if the ticket was polled to its end before.
    pub fn on_ready_helping(self, callback: impl FnOnce(TicketOutcome) + Send + 'static) -> Helper {
        let pending = match self.0 {
            State::Ready(outcome) => {
                callback(taken_once(outcome));
                return Helper(None);
            }
            State::Pending(pending) => pending,
        };
        let mut slot = pending.shared.lock();
        if let Some(outcome) = slot.take_told() {
            drop(slot);
            callback(taken_once(outcome));
            return Helper(None);
        }
        let polled = std::mem::replace(&mut *slot, Slot::Callback(Box::new(callback)));
        drop(slot);
        drop(polled);
        Helper(Some(pending))
    }
}

impl Future for Ticket {
    type Output = TicketOutcome;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let pending = match &mut self.0 {
            State::Ready(outcome) => return Poll::Ready(taken_once(outcome.take())),
            State::Pending(pending) => pending,
        };
        let waker = cx.waker().clone();
        let mut slot = pending.shared.lock();
        if let Some(outcome) = slot.take_told() {
            drop(slot);
            return Poll::Ready(taken_once(outcome));
        }
        let polled = std::mem::replace(&mut *slot, Slot::Waker(waker));
        drop(slot);
        drop(polled);
        pending.start();
        Poll::Pending
    }
}

impl Slot {
    const fn is_told(&self) -> bool {
        matches!(self, Self::Told(_) | Self::Taken)
    }

    /// What there is to tell, once: `Some(None)` if it was taken before, `None` if it is not known.
    fn take_told(&mut self) -> Option<Option<TicketOutcome>> {
        if !self.is_told() {
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
    /// Whether somebody just waits for the outcome: a thread that is blocked for it, or a task that polled for it.
    /// Telling them calls nobody's callback.
    #[must_use]
    pub fn is_awaited(&self) -> bool {
        let slot = self.0.as_ref().map(|shared| shared.lock());
        slot.is_some_and(|slot| matches!(*slot, Slot::Blocked | Slot::Waker(_)))
    }

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
            Slot::Blocked => {
                *slot = Slot::Told(outcome);
                drop(slot);
                shared.told.notify_one();
            }
            Slot::Idle | Slot::Told(_) | Slot::Taken => *slot = Slot::Told(outcome),
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
    /// Notes that a thread waits. Whoever polled before gave the ticket up by moving it to that thread.
    fn block(&self) {
        let mut slot = self.lock();
        if !slot.is_told() {
            let polled = std::mem::replace(&mut *slot, Slot::Blocked);
            drop(slot);
            drop(polled);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Slot> {
        self.slot.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Ticket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            State::Ready(outcome) => f.debug_tuple("Ticket").field(outcome).finish(),
            State::Pending(..) => f.write_str("Ticket(pending)"),
        }
    }
}

impl fmt::Debug for Helper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Helper")
    }
}

impl fmt::Debug for Completer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Completer")
    }
}

#[cfg(all(test, loom))]
mod models;
