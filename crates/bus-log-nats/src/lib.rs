#![doc = include_str!("docs.md")]
//!
//! [`SessionLog`]: bus_log::SessionLog
//! [`Expect::Last`]: bus_log::Expect::Last
//! [`Expect::Any`]: bus_log::Expect::Any

mod api;
mod change;
mod compose;
mod config;
mod error;
mod fold;
mod hide;
mod listing;
mod live;
mod log;
mod news;
mod read;
mod reserve;
mod run;
#[cfg(test)]
mod scripted;
mod server;
mod stream;
mod subject;
mod sure;
mod threads;
mod wire;

pub use config::{NatsConfig, Storage};
pub use log::NatsSessionLog;

// What the signatures above name from the crates to the left, so that one `use` is enough.
pub use bus_log::{
    Bounds, Entry, Event, Expect, LiveChannel, LogError, LogErrorKind, Page, Recorded, Result,
    SessionLog, TenantId, ThreadKey, ThreadSummary,
};

/// Longest name of a tenant or a thread: 1 KiB. Both stand in one subject, which a server takes up to 4 KiB by default. A
/// longer one is `Invalid` to append to, and unknown otherwise.
pub const MAX_NAME_BYTES: usize = 1 << 10;

/// Largest batch, by the bytes of its events and metas: 256 MiB. A larger one is `Invalid`.
pub const MAX_BATCH_BYTES: usize = 256 << 20;
