#![doc = include_str!("docs.md")]
//!
//! [`SessionLog`]: bus_log::SessionLog
//! [`Expect::Last`]: bus_log::Expect::Last
//! [`Expect::Any`]: bus_log::Expect::Any

mod config;
mod connect;
mod doubts;
mod error;
mod log;
mod news;
mod rows;
mod schema;
mod server;
mod tls;

pub use config::PostgresConfig;
pub use log::PostgresSessionLog;

// What the signatures above name from the crates to the left, so that one `use` is enough.
pub use bus_log::{
    Bounds, Entry, Event, Expect, LogError, LogErrorKind, Page, Recorded, Result, SessionLog,
    TenantId, ThreadKey, ThreadSummary,
};

/// Longest name of a tenant or a thread: 1 KiB. Both stand in one index entry, which has room for no
/// more. A longer one is `Invalid` to append to, and unknown otherwise.
pub const MAX_NAME_BYTES: usize = 1 << 10;

/// Largest batch, by the bytes of its events and metas: 256 MiB. It is one message to the server,
/// which keeps several copies of it while it works. A larger one is `Invalid`.
pub const MAX_BATCH_BYTES: usize = 256 << 20;
