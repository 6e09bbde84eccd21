//! The sink that a bus writes to.

use std::io;
use std::sync::Arc;

use bus_log::{DurableSink, Entry, Event, Expect, SessionEvent, ThreadKey, Ticket};

use crate::log::Inner;

/// Submits events of one thread to the journal. It keeps the log open.
pub(crate) struct FileSink {
    inner: Arc<Inner>,
    key: ThreadKey,
}

impl FileSink {
    pub(crate) const fn new(inner: Arc<Inner>, key: ThreadKey) -> Self {
        Self { inner, key }
    }
}

impl DurableSink for FileSink {
    /// Blocks for the journal's sync, which many emitters share.
    fn write(&self, event: &SessionEvent) -> io::Result<()> {
        self.submit(event.clone().into()).wait().map(drop)
    }

    /// Blocks only while the queue is full.
    fn submit(&self, event: Event) -> Ticket {
        let entry = Entry::from(event.without_messages());
        match self
            .inner
            .request_append(&self.key, Expect::Any, std::slice::from_ref(&entry))
        {
            Ok((request, ticket)) => match self.inner.shared().queue.push(request) {
                Ok(()) => ticket,
                Err(error) => Ticket::ready(Err(error.into())),
            },
            Err(error) => Ticket::ready(Err(error.into())),
        }
    }
}
