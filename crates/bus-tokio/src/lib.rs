//! One emit: live to every subscriber, and on disk if it must be durable.
//!
//! **Who this crate is for.** An application that runs agents. It makes one [`SessionBus`] per session,
//! gives it to the framework as its [`EventEmitter`] and [`AuditSink`] (the framework knows nothing else),
//! and subscribes its screens. It also needs a log backend; `bus-log-file` is the embedded default.
//!
//! ```
//! # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
//! use std::sync::Arc;
//! use bus_tokio::{
//!     DurabilityPolicy, InMemorySessionLog, SessionBus, SessionEvent, SessionLog, TenantId, ThreadKey,
//! };
//!
//! let log = Arc::new(InMemorySessionLog::new());
//! let key = ThreadKey::new(TenantId::new("acme"), "session-7");
//! let bus = SessionBus::new(1024)
//!     .with_log(log.clone(), key.clone())
//!     .with_durability(DurabilityPolicy::Transcript);
//! let mut screen = bus.subscribe();
//!
//! bus.emit(SessionEvent::TextChunk("hel".into()));
//! bus.publish(SessionEvent::TextComplete("hello".into())).await?;
//!
//! assert_eq!(screen.recv().await?, SessionEvent::TextChunk("hel".into()));
//! assert_eq!(screen.recv().await?, SessionEvent::TextComplete("hello".into()));
//! assert_eq!(log.load_since(&key, 0).await?.len(), 1);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # }).unwrap();
//! ```
//!
//! # Who may lose what, and when
//!
//! | Who | May lose | When | How it is told |
//! |---|---|---|---|
//! | the log | no durable event for which [`emit`](SessionBus::emit) returned without a warning | – | – |
//! | the log | a durable event | the sink fails, panics, or stays down for longer than it retries | a `warn`; [`EmitError`] from [`try_emit`](SessionBus::try_emit) and [`publish`](SessionBus::publish) |
//! | the log | an audit record | the log stays down until the queue is full, or until the writer gives up at the end | counted in [`audit_stats`](SessionBus::audit_stats), and noted in the log as an [`AuditGap`](GraphEvent::AuditGap) once it takes writes again |
//! | the log | an audit record | it is made after [`close`](SessionBus::close) | counted |
//! | a durable sink that is not a log | an audit record | the sink fails, or can't take such events | a `warn` |
//! | the log | a durable event that is being emitted | the process is killed before `emit` returned | it did not return |
//! | a subscriber | the oldest envelopes | it is more than the bus's capacity behind | [`Lagged(n)`](RecvError::Lagged), exactly `n` envelopes |
//! | a follower | no recorded event; the oldest live-only events | it is more than the bus's capacity behind | [`Gap`](Followed::Gap), exactly how many |
//! | a subscriber | nothing else: not if the sink fails, nor if another subscriber is slow | | |
//! | the legacy channel | events for which it has no room; all events once it is closed | at once | to nobody (a `debug` if it is full) |
//!
//! Durable events that a subscriber lost are in the log, at the ordinals after that of the
//! last envelope that it saw.
//!
//! # Order
//!
//! *Durable events have one order.* However many threads emit them, every subscriber
//! sees them in the order in which the sink took them, which is the order of the log. If a sink's
//! [`submit`](DurableSink::submit) fixes an event's place before the disk has it, many emitters can
//! share one sync; if a sink has only [`write`](DurableSink::write), emitters queue.
//!
//! *An ephemeral event waits for nothing*: it is broadcast at once, ahead of durable events that
//! still wait for the disk. The events of one thread stay in order all the same, because its durable
//! events are broadcast before `emit` returns. Only audit records are an exception, because recording one does not
//! wait: a subscriber may see a record after an ephemeral event that the same thread emitted later.
//!
//! [`Envelope::seq`] counts both kinds as they are broadcast, without gaps.
//!
//! # Lag
//!
//! The bus keeps an envelope until every subscriber has read it, but at most `capacity` of them. A
//! subscriber that falls further behind loses the oldest, and its next call says how many. The count
//! is exact; it counts envelopes of every kind, also those that this subscriber would not get. Then the subscriber
//! continues with the oldest envelope that is left. The emitter does not notice, nor does any other subscriber.
//!
//! When you ask a subscriber for one envelope, it takes up to 32 from the bus and hands them out one by one: so it
//! may fall behind by that many more. A bus without subscribers keeps nothing.
//!
//! ```
//! use bus_tokio::{RecvError, SessionBus, SessionEvent};
//!
//! # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
//! let bus = SessionBus::new(2);
//! let mut slow = bus.subscribe();
//! for word in ["one", "two", "three", "four", "five"] {
//!     bus.emit(SessionEvent::TextChunk(word.into()));
//! }
//!
//! assert_eq!(slow.recv().await, Err(RecvError::Lagged(3)));
//! assert_eq!(slow.recv().await, Ok(SessionEvent::TextChunk("four".into())));
//! assert_eq!(slow.recv().await, Ok(SessionEvent::TextChunk("five".into())));
//! # });
//! ```
//!
//! # Following
//!
//! A subscriber that connects late, or lags, would have to read from the log what it missed, and to find the place where
//! the log ends and its live events begin. [`follow`](SessionBus::follow) does that: it gives everything durable after a
//! cursor from the log, and then what is live, each event once and in order. Live-only events that are lost are
//! counted: see [`Follow`].
//!
//! ```
//! # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
//! # use std::sync::Arc;
//! # use bus_tokio::{InMemorySessionLog, SessionBus, TenantId, ThreadKey};
//! # let log = Arc::new(InMemorySessionLog::new());
//! # let key = ThreadKey::new(TenantId::new("acme"), "session-7");
//! # let bus = SessionBus::new(1024).with_log(log, key);
//! # bus.audit_sink().record_resumed("checkpoint-3");
//! # bus.flush().await;
//! let mut screen = bus.follow(0)?;
//! let item = screen.next().await.expect("the bus is there")?;
//! assert_eq!((item.ordinal(), screen.cursor()), (Some(1), 1));
//! # Ok::<(), bus_tokio::LogError>(())
//! # }).unwrap();
//! ```
//!
//! # On another machine
//!
//! [`RemoteSession`] follows a session whose bus is on another machine. It reads the durable events from a log that both
//! machines reach. The live-only events come over a [`LiveChannel`], such as that of `bus-log-nats`; the bus sends them there
//! if it was made with [`SessionBus::with_live`].
//!
//! # Many sessions
//!
//! [`SessionHub`] makes a bus for each session when it is asked for; all share one log and one writer. It releases
//! buses that nobody uses, and lets one subscriber see the events of all sessions, or of a tenant's.
//!
//! # Runtimes
//!
//! You can emit on any thread, in or out of a runtime, and every future of this crate works under any
//! executor. The cost of an emit does not grow with the number of waiting subscribers. If more than two of them wait in
//! tasks of one tokio runtime, the emitter wakes one, and a task that the bus spawns there wakes the others. If more than 32
//! wait elsewhere, a thread that all buses share wakes them. In async code, use [`publish`](SessionBus::publish) for
//! durable events: [`emit`](SessionBus::emit) blocks its thread until they are on disk.

mod audit;
mod bus;
mod clock;
mod delivered;
mod emit;
mod envelope;
mod follow;
mod hub;
mod legacy;
mod line;
mod pending;
mod receipt;
mod relay;
mod remote;
mod ring;
mod sinks;
mod subscriber;
mod sync;
mod warn;

pub use bus::SessionBus;
pub use envelope::Envelope;
pub use follow::{Follow, Followed, FollowedEvent};
pub use hub::{HubConfig, HubEnvelope, HubSubscriber, SessionHub};
pub use receipt::{EmitError, Receipt};
pub use remote::RemoteSession;
pub use subscriber::{EnvelopeSubscriber, FromEnvelope, Subscriber};

// What the signatures above name from other crates, so that one `use` is enough.
pub use bus_log::*;
pub use tokio::sync::broadcast::error::{RecvError, TryRecvError};

/// The first page's examples are tests too.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
struct Readme;
