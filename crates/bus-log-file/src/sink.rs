//! The sink that a bus writes to.

use std::borrow::Cow;
use std::io;
use std::sync::Arc;

use bus_log::{DurableSink, Event, Expect, Meta, SessionEvent, ThreadKey, Ticket, Utc};

use crate::lines::{Encode, Lines};
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

    fn submit_one(&self, event: &impl Encode) -> Ticket {
        let mut lines = Lines::with_capacity(1);
        if let Err(error) = lines.push(1, 1, Utc::now(), &Meta::default(), event) {
            return Ticket::ready(Err(error.into()));
        }
        match self.inner.begin(Arc::clone(&self.name), Expect::Any, lines) {
            Begun::Done(outcome) => Ticket::ready(outcome.map_err(Into::into)),
            Begun::Queue(request, ticket) => match self.inner.shared().push(request) {
                Ok(()) => ticket,
                Err(error) => Ticket::ready(Err(error.into())),
            },
        }
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

    fn is_prompt(&self) -> bool {
        true
    }
}
