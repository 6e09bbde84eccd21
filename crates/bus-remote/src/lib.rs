//! The shared parts of session logs on servers.
//!
//! **Who this crate is for.** Authors of a [`SessionLog`](bus_log::SessionLog) that talks to a server. Nobody else needs it:
//! `bus-log-postgres` and the other logs on servers are built on it. It contains nothing that needs a driver.
//!
//! - [`IoThread`]: the thread and runtime that a log brings along. They make its futures work under any executor
//!   and after the application's runtime has ended (law R1), and finish an append whose future was dropped (C1);
//! - [`Turns`]: one change at a time per thread key, in the order of the calls;
//! - [`Watches`]: the waiters of this process, by thread;
//! - [`Batch`] and [`Stored`]: entries as the bytes that are sent, and the bytes that come back as events, byte for byte (A7);
//! - `roots`, by the feature `tls`: the certificates that a connection trusts;
//! - [`options`]: the options after the `?` of a log's URL; no error repeats a password.
//!
//! ```
//! use bus_remote::{Batch, Stored, TYPED};
//! use bus_log::{Entry, SessionEvent};
//!
//! let entry = Entry::from(bus_log::Event::from(SessionEvent::Done));
//! let batch = Batch::encode(&[entry.clone()], 1 << 20)?;
//! let stored = Stored { ordinal: 1, at: batch.times()[0], meta: None, event: batch.events()[0] };
//! assert_eq!(stored.read(TYPED)?.event, entry.event);
//! # Ok::<(), bus_log::LogError>(())
//! ```

mod batch;
mod io;
pub mod options;
#[cfg(feature = "tls")]
mod tls;
mod turns;
mod watches;

pub use batch::{Batch, RAW, Reading, Stored, TYPED};
pub use io::IoThread;
#[cfg(feature = "tls")]
pub use tls::roots;
pub use turns::{Place, Turn, Turns};
pub use watches::{Watch, Watches};
