#![doc = include_str!("docs.md")]
//!
//! [`SessionLog`]: bus_log::SessionLog
//! [`Expect::Last`]: bus_log::Expect::Last
//! [`Expect::Any`]: bus_log::Expect::Any

mod answer;
mod calls;
mod config;
mod error;
mod gate;
mod link;
mod listing;
mod log;
mod news;
mod nodes;
mod open;
mod pages;
mod schema;
mod server;
mod settings;
mod socket;

pub use config::{Durability, RedisConfig};
pub use log::RedisSessionLog;

// What the signatures above name from the crates to the left, so that one `use` is enough.
pub use bus_log::{
    Bounds, Entry, Event, Expect, LogError, LogErrorKind, Page, Recorded, Result, SessionLog,
    TenantId, ThreadKey, ThreadSummary,
};

/// Longest name of a tenant or a thread: 64 KiB. It stands in keys, which the server holds in memory. A longer one is
/// `Invalid` to append to, and unknown otherwise.
pub const MAX_NAME_BYTES: usize = 64 << 10;

/// Largest batch, by the bytes of its events and metas: 64 MiB. It is one call of a script, and while that runs the
/// server does nothing else. A larger one is `Invalid`.
pub const MAX_BATCH_BYTES: usize = 64 << 20;
