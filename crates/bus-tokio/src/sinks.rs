//! The sinks of one bus handle.

use std::any::Any;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bus_core::{DurableSink, Event, Ticket};

use crate::line::Addressee;

pub(crate) struct Sinks {
    durable: Arc<dyn DurableSink>,
    /// Whether the last event was durable, or failed, as soon as the sink had taken it: such a sink
    /// most likely waits for its disk while it takes one.
    blocks: AtomicBool,
}

impl Sinks {
    /// A sink of which nothing is known.
    pub(crate) fn new(durable: Arc<dyn DurableSink>) -> Self {
        Self {
            durable,
            blocks: AtomicBool::new(true),
        }
    }

    /// Lets the sink take an event. One that panics has failed.
    pub(crate) fn submit(&self, event: Event, _to: &Addressee) -> Ticket {
        catch_unwind(AssertUnwindSafe(|| self.durable.submit(event)))
            .unwrap_or_else(|panic| Ticket::ready(Err(panicked(panic))))
    }

    pub(crate) fn blocks(&self) -> bool {
        self.blocks.load(Ordering::Relaxed)
    }

    pub(crate) fn saw(&self, told_at_once: bool) {
        if self.blocks() != told_at_once {
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
