//! A log URL in, a session log out.
//!
//! **Who this crate is for.** An application whose operator chooses the log: take a URL from the
//! configuration and hand the [`SessionLog`] to the bus. Each backend is a cargo feature.
//!
//! | URL | log | feature |
//! |---|---|---|
//! | `file:///var/lib/bus?option=value`, `file:rel/path`, a plain path | the embedded log in that directory; options as in `bus_log_file::FileLogConfig::with_option` | `file` (on by default) |
//! | `nats://user@host/stream?option=value`, `tls://…` | the log in that NATS JetStream stream; options as in `bus_log_nats::NatsConfig::parse` | `nats` (on by default) |
//! | `postgres://user@host/database?option=value`, `postgresql://…` | the log in that PostgreSQL database; options as in `bus_log_postgres::PostgresConfig::parse` | `postgres` (on by default) |
//! | `redis://user@host:port/database?option=value`, `rediss://…` | the log in that Redis, or cluster; options as in `bus_log_redis::RedisConfig::parse` | `redis` (on by default) |
//! | `memory:` | a new, empty log in memory, for tests | none |
//!
//! # Example
//!
//! ```
//! # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
//! use bus_open::{LogErrorKind, SessionEvent, SessionLog, TenantId, ThreadKey, open};
//!
//! let log = open("memory:").await?;
//! let key = ThreadKey::new(TenantId::new("acme"), "session-7");
//! assert_eq!(log.append(&key, &[SessionEvent::Done.into()]).await?, 1);
//!
//! let refused = open("gopher://user:secret@example.org").await.err().unwrap();
//! assert_eq!(refused.kind(), LogErrorKind::Invalid);
//! assert!(!refused.to_string().contains("secret"));
//! # Ok::<(), bus_open::LogError>(())
//! # }).unwrap();
//! ```

mod folder;
mod later;
mod live;
mod open;
mod percent;
#[cfg(any(feature = "nats", feature = "postgres", feature = "redis"))]
mod server;
mod url;

pub use live::WithLive;
pub use open::{LogUsage, ReadOnly, TornSession, open};
pub use url::{LogUrl, SCHEMES};

// What the signatures above name, so that one `use` is enough.
pub use bus_log::*;
