//! The sinks of one bus handle.

use std::any::Any;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bus_log::{DurableSink, Event, LogWriter, SessionAuditSink, ThreadKey, Ticket};

use crate::line::Addressee;

pub(crate) struct Sinks {
    durable: Arc<dyn DurableSink>,
    /// The face that counts and forgets, if the sink is a log's.
    audit: Option<SessionAuditSink>,
    /// Whether the last event was durable, or failed, as soon as the sink had taken it: such a sink
    /// most likely waits for its disk while it takes one. A log's never does.
    blocks: AtomicBool,
}

impl Sinks {
    /// A sink of which nothing is known.
    pub(crate) fn new(durable: Arc<dyn DurableSink>) -> Self {
        Self {
            durable,
            audit: None,
            blocks: AtomicBool::new(true),
        }
    }

    /// Both faces of a log's writer: one order.
    pub(crate) fn of_log(writer: &LogWriter, key: ThreadKey) -> Self {
        Self {
            durable: Arc::new(writer.sink(key.clone())),
            audit: Some(writer.audit(key)),
            blocks: AtomicBool::new(false),
        }
    }

    pub(crate) const fn audit(&self) -> Option<&SessionAuditSink> {
        self.audit.as_ref()
    }

    /// Lets the sink take an event. One that panics has failed.
    pub(crate) fn submit(&self, event: Event, to: &Addressee) -> Ticket {
        let submit = || match (to, &self.audit) {
            (Addressee::Books, Some(audit)) => audit.record_ticketed(event),
            _ => self.durable.submit(event),
        };
        catch_unwind(AssertUnwindSafe(submit))
            .unwrap_or_else(|panic| Ticket::ready(Err(panicked(panic))))
    }

    pub(crate) fn blocks(&self) -> bool {
        self.blocks.load(Ordering::Relaxed)
    }

    pub(crate) fn saw(&self, told_at_once: bool) {
        if self.audit.is_none() && self.blocks() != told_at_once {
            self.blocks.store(told_at_once, Ordering::Relaxed);
        }
    }
}

fn panicked(panic: Box<dyn Any + Send>) -> io::Error {
    let message = match panic.downcast::<String>() {
        Ok(message) => *message,
        Err(panic) => match panic.downcast::<&'static str>() {
            Ok(message) => (*message).to_owned(),
            Err(_) => "without a message".to_owned(),
        },
    };
    io::Error::other(format!("sink panicked: {message}"))
}
