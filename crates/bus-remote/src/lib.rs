//! What session logs on servers have in common.
//!
//! **Who this crate is for.** Authors of a [`SessionLog`](bus_log::SessionLog) that talks to a server. Nobody else needs it: it
//! is what `bus-log-postgres` and its like are made of, and holds nothing that a driver is needed for.
//!
//! - [`IoThread`]: the thread and runtime that a log brings along, so that its futures work under any executor
//!   and after anybody's runtime has ended (law R1), and an append whose future was dropped goes on to its end (C1);
//! - [`Turns`]: one change at a time per thread key, in the order of the calls;
//! - [`Watches`]: who waits for which thread in this process;
//! - [`Batch`] and [`Stored`]: entries as the bytes that are sent, and what comes back as events, byte for byte (A7);
//! - [`options`]: what stands behind the `?` of a log's URL, without ever repeating a password.
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
mod turns;
mod watches;

pub use batch::{Batch, RAW, Reading, Stored, TYPED};
pub use io::IoThread;
pub use turns::{Place, Turn, Turns};
pub use watches::{Watch, Watches};
