//! The embedded session log: a folder of JSON Lines files behind a shared journal.
//!
//! **Who this crate is for.** An application that keeps its sessions on its own disk. Open a
//! [`FileSessionLog`] and give it to a bus, or use it directly as a [`SessionLog`].
//! You need to run nothing else.
//!
//! Every session is a file with one event per line, which `jq`, `grep` and `tail` read. An append returns once
//! its events are past `fdatasync` in a write-ahead journal. All sessions of the process share this journal,
//! so that one disk flush commits the waiting events of all of them. `docs/adr/0001-journal-protocol.md` has the
//! journal's protocol, `docs/file-format.md` describes the files.
//!
//! ```
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
//! use bus_log_file::{FileSessionLog, SessionEvent, SessionLog, TenantId, ThreadKey};
//!
//! let dir = tempfile::tempdir()?;
//! let key = ThreadKey::new(TenantId::new("acme"), "session-7");
//! {
//!     let log = FileSessionLog::open(dir.path())?;
//!     log.append(&key, &[SessionEvent::Thinking.into()]).await?;
//! }
//! let log = FileSessionLog::open(dir.path())?;
//! assert_eq!(log.load_since(&key, 0).await?.len(), 1);
//! # Ok(()) })
//! # }
//! ```
//!
//! It needs a Unix system, and a local disk that really has written the data when `fdatasync` returns.

mod committer;
mod config;
mod format;
pub mod fs;
#[cfg(any(test, feature = "fuzzing"))]
#[doc(hidden)]
pub mod fuzzing;
mod header;
mod journal;
mod layout;
mod line;
mod lock;
mod log;
mod name;
mod reader;
mod session_file;
mod sink;
mod stats;
mod watch;

pub use config::{Durability, FileLogConfig};
pub use journal::RecoveryReport;
pub use log::FileSessionLog;
pub use reader::{DiskUsage, FileLogReader, RawEvent, TornEnd};
pub use stats::{FileLogCounters, FileLogStats};

// What the signatures above name from the crates to the left, so that one `use` is enough.
pub use bus_log::*;

/// Version of everything that is written. What this version wrote stays readable: `golden/` holds it to that.
const VERSION: u32 = 1;
