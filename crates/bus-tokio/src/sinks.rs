//! The sinks of one bus handle.

use std::any::Any;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::task::Waker;
use std::time::Duration;

use bus_log::{
    DateTime, DurableSink, Entry, Event, Followers, LogSink, LogWriter, Meta, SessionAuditSink,
    Submission, ThreadKey, Ticket, TrySubmit, Utc, to_micros,
};

use crate::envelope::Origin;
use crate::line::Addressee;

pub(crate) struct Sinks {
    durable: Durable,
}

/// How long somebody who offers an event to a sink waits for it to be taken.
#[derive(Clone, Copy)]
pub(crate) enum Wait<'a> {
    /// Not at all. The waker is for when there may be room.
    Never(&'a Waker),
    /// As long as it likes, if it can't say that it is full.
    InSubmit,
    /// Until there is room.
    ForRoom,
}

/// Why a sink did not take an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NotTaken {
    Full,
    MayBlock,
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
        Self {
            durable: Durable::Sink(durable),
        }
    }

    /// The thread `key` of the writer's log.
    pub(crate) fn of_log(writer: &LogWriter, key: ThreadKey) -> Self {
        let audit = writer.audit(key.clone());
        let sink = writer.sink(key);
        Self {
            durable: Durable::Log(Log {
                origin: Origin::of(&sink),
                sink,
                audit,
                followers: writer.followers().clone(),
                lent: false,
            }),
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

    /// Makes an emitter's event ready for a log: from now on its time runs.
    pub(crate) fn begin(
        &self,
        event: &Event,
        meta: &Meta,
        at: DateTime<Utc>,
    ) -> Option<Submission> {
        match &self.durable {
            Durable::Log(log) => Some(log.begin(event, meta, at)),
            Durable::Sink(_) => None,
        }
    }

    /// Offers an event to the sink. One that panics has failed.
    pub(crate) fn offer(
        &self,
        (event, meta, at): (&Event, &Meta, DateTime<Utc>),
        to: &Addressee,
        submission: &mut Option<Submission>,
        wait: Wait<'_>,
    ) -> Result<Ticket, NotTaken> {
        let offer = || match (&self.durable, to) {
            (Durable::Log(log), Addressee::AuditCounts { .. }) => {
                Ok(log.audit.record_ticketed(event.clone()))
            }
            (Durable::Log(log), _) => {
                let begun = submission.take();
                let begun = begun.unwrap_or_else(|| log.begin(event, meta, at));
                log.offer(begun, wait).map_err(|begun| {
                    *submission = Some(begun);
                    NotTaken::Full
                })
            }
            (Durable::Sink(sink), _) => offer_to(&**sink, event, wait),
        };
        catch_unwind(AssertUnwindSafe(offer))
            .unwrap_or_else(|panic| Ok(Ticket::ready(Err(panicked(panic)))))
    }

    /// How long a sink of which nothing is known is to be tried while it is full. A log's submission knows it itself.
    pub(crate) fn patience(&self) -> Option<Duration> {
        match &self.durable {
            Durable::Log(_) => None,
            // It is somebody else's code: one that panics has said nothing.
            Durable::Sink(sink) => {
                catch_unwind(AssertUnwindSafe(|| sink.patience())).unwrap_or_default()
            }
        }
    }

    /// Has a log note that audit records were lost here.
    pub(crate) fn lose(&self, records: u64) {
        if let Some(audit) = self.audit() {
            audit.record_lost(records);
        }
    }
}

impl Log {
    fn begin(&self, event: &Event, meta: &Meta, at: DateTime<Utc>) -> Submission {
        self.sink.begin(Entry {
            at: to_micros(at),
            meta: meta.clone(),
            event: event.clone(),
        })
    }

    #[expect(
        clippy::result_large_err,
        reason = "it is the submission itself, and goes back to where it was"
    )]
    fn offer(&self, submission: Submission, wait: Wait<'_>) -> Result<Ticket, Submission> {
        match wait {
            Wait::Never(room) => self.sink.try_submit_entry(submission, room),
            Wait::InSubmit => self.sink.try_submit_entry(submission, Waker::noop()),
            Wait::ForRoom => Ok(self.sink.submit_begun(submission)),
        }
    }
}

fn offer_to(sink: &dyn DurableSink, event: &Event, wait: Wait<'_>) -> Result<Ticket, NotTaken> {
    let room = match wait {
        Wait::Never(room) => room,
        Wait::InSubmit => Waker::noop(),
        Wait::ForRoom => return Ok(sink.submit(event.clone())),
    };
    match sink.try_submit(event, room) {
        TrySubmit::Taken(ticket) => Ok(ticket),
        TrySubmit::Full => Err(NotTaken::Full),
        _ if matches!(wait, Wait::InSubmit) => Ok(sink.submit(event.clone())),
        _ => Err(NotTaken::MayBlock),
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
