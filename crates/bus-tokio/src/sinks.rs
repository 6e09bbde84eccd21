//! The sinks of one bus handle.

use std::any::Any;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bus_log::{
    DateTime, DurableSink, Entry, Event, Followers, LogSink, LogWriter, Meta, SessionAuditSink,
    ThreadKey, Ticket, Utc, to_micros,
};

use crate::envelope::Origin;
use crate::line::Addressee;

pub(crate) struct Sinks {
    durable: Durable,
    /// The sink says of itself that it waits for no disk while it takes an event. A log's never does.
    prompt: bool,
    /// Of one that does not say so: whether the last event was durable, or failed, as soon as the sink had
    /// taken it. Such a sink most likely waits for its disk meanwhile.
    blocks: AtomicBool,
}

enum Durable {
    /// A sink of which nothing is known.
    Sink(Arc<dyn DurableSink>),
    Log(Log),
}

/// Both faces of a log's writer: one order.
struct Log {
    sink: LogSink,
    audit: SessionAuditSink,
    followers: Followers,
    origin: Origin,
    /// Others use the writer, which is not this bus's to close.
    lent: bool,
}

/// The thread of a log that a bus writes.
#[derive(Clone, Copy)]
pub(crate) struct Home<'a> {
    pub(crate) origin: Origin,
    pub(crate) followers: &'a Followers,
    pub(crate) key: &'a ThreadKey,
}

impl Sinks {
    pub(crate) fn new(durable: Arc<dyn DurableSink>) -> Self {
        let prompt = durable.is_prompt();
        Self {
            durable: Durable::Sink(durable),
            prompt,
            blocks: AtomicBool::new(!prompt),
        }
    }

    /// The thread `key`, which may be the `former` one: then its ordinals are the same.
    pub(crate) fn of_log(writer: &LogWriter, key: ThreadKey, former: Option<&Self>) -> Self {
        let same = |home: &Home<'_>| {
            let (former, new) = (home.followers.log(), writer.log());
            std::ptr::addr_eq(Arc::as_ptr(former), Arc::as_ptr(new)) && *home.key == key
        };
        let former = former.and_then(Self::home).filter(same);
        let origin = former.map_or_else(Origin::new, |home| home.origin);
        let audit = writer.audit(key.clone());
        Self {
            durable: Durable::Log(Log {
                sink: writer.sink(key),
                audit,
                followers: writer.followers().clone(),
                origin,
                lent: false,
            }),
            prompt: true,
            blocks: AtomicBool::new(false),
        }
    }

    /// The same on a writer that is not this bus's to close.
    pub(crate) fn on_lent_writer(mut self) -> Self {
        if let Durable::Log(log) = &mut self.durable {
            log.lent = true;
        }
        self
    }

    /// Whether the log's writer is not this bus's to close.
    pub(crate) const fn is_writer_lent(&self) -> bool {
        matches!(&self.durable, Durable::Log(Log { lent: true, .. }))
    }

    /// The face that counts and forgets, if the sink is a log's.
    pub(crate) const fn audit(&self) -> Option<&SessionAuditSink> {
        match &self.durable {
            Durable::Log(log) => Some(&log.audit),
            Durable::Sink(_) => None,
        }
    }

    pub(crate) fn home(&self) -> Option<Home<'_>> {
        match &self.durable {
            Durable::Log(log) => Some(Home {
                origin: log.origin,
                followers: &log.followers,
                key: log.audit.thread_key(),
            }),
            Durable::Sink(_) => None,
        }
    }

    /// Whose ordinals it tells.
    pub(crate) const fn origin(&self) -> Origin {
        match &self.durable {
            Durable::Log(log) => log.origin,
            Durable::Sink(_) => Origin::UNKNOWN,
        }
    }

    /// Lets the sink take an event. One that panics has failed.
    pub(crate) fn submit(&self, event: Event, at: DateTime<Utc>, to: &Addressee) -> Ticket {
        let submit = || match (&self.durable, to) {
            (Durable::Log(log), Addressee::Books) => log.audit.record_ticketed(event),
            (Durable::Log(log), _) => log.sink.submit_entry(Entry {
                at: to_micros(at),
                meta: Meta::default(),
                event,
            }),
            (Durable::Sink(sink), _) => sink.submit(event),
        };
        catch_unwind(AssertUnwindSafe(submit))
            .unwrap_or_else(|panic| Ticket::ready(Err(panicked(panic))))
    }

    /// Has a log note that audit records were lost here.
    pub(crate) fn lose(&self, records: u64) {
        if let Some(audit) = self.audit() {
            audit.record_lost(records);
        }
    }

    pub(crate) fn blocks(&self) -> bool {
        self.blocks.load(Ordering::Relaxed)
    }

    pub(crate) fn saw(&self, told_at_once: bool) {
        if !self.prompt && self.blocks() != told_at_once {
            self.blocks.store(told_at_once, Ordering::Relaxed);
        }
    }
}

pub(crate) fn panicked(panic: Box<dyn Any + Send>) -> io::Error {
    let message = match panic.downcast::<String>() {
        Ok(message) => *message,
        Err(panic) => match panic.downcast::<&'static str>() {
            Ok(message) => (*message).to_owned(),
            Err(_) => "without a message".to_owned(),
        },
    };
    io::Error::other(format!("sink panicked: {message}"))
}
