//! One emit: live to every subscriber, and on disk where it must be.
//!
//! **Who this crate is for.** An application that runs agents makes a [`SessionBus`] per session,
//! plugs it into the framework (as its [`EventEmitter`] and [`AuditSink`], which is all that the
//! framework knows), and subscribes its screens. It takes a log backend beside it; `bus-log-file`
//! is the embedded default.
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
//! | the log | nothing that [`emit`](SessionBus::emit) returned for without a warning | – | – |
//! | the log | a durable event | the sink fails, panics, or stays down for longer than it retries | a `warn`; [`EmitError`] from [`try_emit`](SessionBus::try_emit) and [`publish`](SessionBus::publish) |
//! | the log | an audit record | the log stays down until the queue is full, or until it is given up at the end | counted in [`audit_stats`](SessionBus::audit_stats), and noted in the log as an [`AuditGap`](GraphEvent::AuditGap) once it takes writes again |
//! | the log | an audit record | it is made after [`close`](SessionBus::close) | counted |
//! | a durable sink that is no log | an audit record | the sink fails, or can't take such events | a `warn` |
//! | the log | a durable event that is being emitted | the process is killed before `emit` returned | it did not return |
//! | a subscriber | the oldest envelopes | it is more than the bus's capacity behind | [`Lagged(n)`](RecvError::Lagged), exactly `n` envelopes |
//! | a follower | nothing of the log; of what is live only, the oldest | it is more than the bus's capacity behind | [`Gap`](Followed::Gap), exactly how many |
//! | a subscriber | nothing else: not if the sink fails, nor if another subscriber is slow | | |
//! | the legacy channel | what it has no room for; everything once it is closed | at once | no one (a `debug` if it is full) |
//!
//! What a subscriber lost of the durable events is in the log, at the ordinals after that of the
//! last envelope it saw.
//!
//! # Order
//!
//! *Durable events have one order.* Whoever emits them, from however many threads, every subscriber
//! sees them in the order in which the sink took them, which is the order of the log. A sink whose
//! [`submit`](DurableSink::submit) fixes an event's place before the disk has it lets many emitters
//! share one sync; with a sink that has only [`write`](DurableSink::write), emitters queue.
//!
//! *An ephemeral event waits for nothing*: it is broadcast at once, ahead of durable events that
//! still wait for the disk. One thread's own events stay in order all the same, because its durable
//! ones are broadcast before `emit` returns; only audit records, which nobody waits for, may be seen
//! after an ephemeral event that the same thread emitted later.
//!
//! [`Envelope::seq`] counts both kinds as they are broadcast, without gaps.
//!
//! # Lag
//!
//! The bus keeps an envelope until every subscriber has read it, but at most `capacity` of them. A
//! subscriber that falls further behind loses the oldest, and its next call says how many: the count
//! is exact, and counts envelopes of every kind, whichever it asks for. Then it goes on with the
//! oldest that is left. The emitter does not notice, nor does any other subscriber.
//!
//! A subscriber that is asked for one takes up to 32 from the bus and hands them out one by one: it
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
//! A subscriber that connects late, or lags, has to read the log for what it missed, and to find the
//! seam. [`follow`](SessionBus::follow) does that: everything durable after a cursor from the log,
//! then live, each once and in order, with a number for what was live only and is lost: see
//! [`Follow`].
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
//! [`RemoteSession`] follows a session whose bus is elsewhere: what is durable from the log that both reach, what is only live
//! from a [`LiveChannel`], as that of `bus-log-nats`, on which the bus says it: [`SessionBus::with_live`].
//!
//! # Many sessions
//!
//! [`SessionHub`] makes a bus for each session when it is asked for, over one log and one writer, lets
//! go of those that nobody uses, and shows all of them, or a tenant's, to one subscriber.
//!
//! # Runtimes
//!
//! Emitting works on any thread, in or out of a runtime, and every future of this crate under any
//! executor. What an emit costs does not grow with the subscribers that wait: of more than two in
//! tasks of one tokio runtime, a task that the bus spawns there wakes all but one; of more than 32
//! elsewhere, a thread that all buses share does. In async code, [`publish`](SessionBus::publish) durable events:
//! [`emit`](SessionBus::emit) blocks its thread until they are on disk.

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
