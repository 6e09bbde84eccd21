//! The sink that a bus writes to.

use std::borrow::Cow;
use std::io;
use std::sync::Arc;
use std::task::{Poll, Waker};

use bus_log::{DurableSink, Event, Expect, Meta, SessionEvent, ThreadKey, Ticket, TrySubmit, Utc};

use crate::committer::Request;
use crate::line::{Encode, Lines};
use crate::log::{Begun, Inner};
use crate::name::Name;

/// Submits events of one thread to the journal. It keeps the log open.
pub(crate) struct FileSink {
    inner: Arc<Inner>,
    name: Arc<Name>,
}

impl FileSink {
    pub(crate) fn new(inner: Arc<Inner>, key: ThreadKey) -> Self {
        let name = Name::new(key);
        Self { inner, name }
    }

    /// What is to be queued, or a ticket that has told.
    fn begin(&self, event: &impl Encode) -> Result<(Request, Ticket), Ticket> {
        let mut lines = Lines::with_capacity(1);
        if let Err(error) = lines.push(1, 1, Utc::now(), &Meta::default(), event) {
            return Err(Ticket::ready(Err(error.into())));
        }
        match self.inner.begin(Arc::clone(&self.name), Expect::Any, lines) {
            Begun::Done(outcome) => Err(Ticket::ready(outcome.map_err(Into::into))),
            Begun::Queue(request, ticket) => Ok((request, ticket)),
        }
    }

    fn submit_one(&self, event: &impl Encode) -> Ticket {
        match self.begin(event) {
            Ok((request, ticket)) => match self.inner.shared().push(request) {
                Ok(()) => ticket,
                Err(error) => Ticket::ready(Err(error.into())),
            },
            Err(told) => told,
        }
    }

    fn try_submit_one(&self, event: &impl Encode, room: &Waker) -> TrySubmit {
        // Whoever tries may hold a lock: an event is not encoded for nothing each time.
        if self.inner.shared().lacks_room(room) {
            return TrySubmit::Full;
        }
        TrySubmit::Taken(match self.begin(event) {
            Ok((request, ticket)) => match self.inner.shared().try_push(request, room) {
                Poll::Ready(Ok(())) => ticket,
                Poll::Ready(Err(error)) => Ticket::ready(Err(error.into())),
                Poll::Pending => return TrySubmit::Full,
            },
            Err(told) => told,
        })
    }
}

impl DurableSink for FileSink {
    /// Blocks for the journal's sync, which many emitters share, and which this thread does where nobody else
    /// does.
    fn write(&self, event: &SessionEvent) -> io::Result<()> {
        let event = match event {
            SessionEvent::SessionSync(_) => Cow::Owned(event.clone().without_messages()),
            event => Cow::Borrowed(event),
        };
        self.submit_one(&*event).wait().map(drop)
    }

    /// Blocks only while the queue is full. What is submitted is committed once its ticket is asked for, or
    /// another one of the log is; after a few milliseconds at the latest.
    fn submit(&self, event: Event) -> Ticket {
        self.submit_one(&event.without_messages())
    }

    /// What it takes is committed as by [`submit`](DurableSink::submit).
    fn try_submit(&self, event: &Event, room: &Waker) -> TrySubmit {
        match event {
            Event::Session(SessionEvent::SessionSync(_)) => {
                self.try_submit_one(&event.clone().without_messages(), room)
            }
            event => self.try_submit_one(event, room),
        }
    }
}
