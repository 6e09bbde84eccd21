//! The contract of a session log, its reference in memory, and the writer behind every sink.
//!
//! **Who this crate is for.** If you write a log backend, implement [`SessionLog`]. If you run
//! agents, take a backend crate (`bus-log-file` is the embedded default) and hand it to `bus-tokio`.
//! A framework needs neither: it depends on `bus-core`.
//!
//! A log keeps, for every [`ThreadKey`], events at *ordinals* 1, 2, 3…, without gaps and never reused.
//! [`SessionLog`] defines this exactly; `bus-testkit` has one test for each law.
//!
//! - [`InMemorySessionLog`] is the reference: the laws in their simplest form.
//! - [`LogWriter`] writes in the background; [`SessionAuditSink`] and [`LogSink`] are its faces.
//! - [`follow`] gives a thread's events as they come, from any log, including those that other processes write;
//!   use [`Followers`] to follow many threads.
//! - [`LiveChannel`] carries live-only events to other machines, as [`LiveWord`]s.
//!
//! # Example
//!
//! ```
//! # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
//! use bus_log::{InMemorySessionLog, SessionEvent, SessionLog, TenantId, ThreadKey};
//!
//! let log = InMemorySessionLog::new();
//! let key = ThreadKey::new(TenantId::new("acme"), "session-7");
//! let last = log.append(&key, &[SessionEvent::Thinking.into(), SessionEvent::Done.into()]).await?;
//! assert_eq!(last, 2);
//!
//! let after_first = log.load_since(&key, 1).await?;
//! assert_eq!(after_first[0].ordinal, 2);
//! # Ok::<(), bus_log::LogError>(())
//! # }).unwrap();
//! ```

mod entry;
mod error;
mod follow;
mod live;
mod log;
mod memory;
mod panic;
mod replicate;
mod shipping;
mod sync;
mod weak_map;
mod writer;

pub use entry::{Entry, Recorded, to_micros};
pub use error::{LogError, LogErrorKind, Result};
pub use follow::{Follower, Followers, follow, follow_raw};
pub use live::{LiveChannel, LiveEar, LiveHearing, LiveOutlet, LiveSource, LiveWhat, LiveWord};
pub(crate) use log::meta_bytes;
pub use log::{
    Bounds, Expect, MAX_EVENT_BYTES, PAGE_BYTES, Page, SessionLog, ThreadSummary, encoded_bytes,
};
pub use memory::InMemorySessionLog;
pub use replicate::{
    Comparison, Copied, ReplicateError, ReplicateProgress, Replication, ThreadCopied, compare,
};
pub use shipping::{ShippingConfig, ShippingLag, ShippingLog};
pub use writer::{
    AuditStats, LogSink, LogWriter, LogWriterConfig, NotDurable, SessionAuditSink, Submission,
};

// What the signatures above name from the crates to the left, so that one `use` is enough.
pub use async_trait::async_trait;
pub use bus_core::*;
pub use futures_core::Stream;
