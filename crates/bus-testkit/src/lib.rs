//! The laws of a session log as tests, one public function per law.
//!
//! **Who this crate is for.** Whoever writes a backend of [`SessionLog`](bus_log::SessionLog) takes
//! it as a dev-dependency, implements [`Harness`] for the backend, and has with one line a test per
//! law, each failing under its own name:
//!
//! ```
//! bus_testkit::laws!(memory, bus_testkit::MemoryHarness::new);
//! # fn main() {}
//! ```
//!
//! What the backend can't do its [`Profile`] says, with the reason; what is skipped for that is
//! printed, never silent. A law's message names the law, the log, and the fact that does not hold.
//!
//! - [`mod@laws`]: the laws. Each is kept honest by logs that are broken in just its way: the crate's
//!   own tests.
//! - [`model`]: random operations against the in-memory reference, and the reference itself against
//!   a more naive model.
//! - [`mod@faults`]: what goes wrong between a log and its server, for logs that are on one; [`faults!`] makes a test of each.
//! - [`Remote`], [`RemoteHarness`]: the laws on a log that is on a server.
//! - [`FaultProxy`]: a network that cuts, holds and refuses, for logs that are on a server.
//! - [`LocalLive`]: a live channel in memory that cuts, loses and repeats.
//! - [`samples`], [`FaultyLog`], [`Tampered`], [`CountingLog`], [`block_on`], [`eventually`], [`alone`]: for other tests too.

mod alone;
mod counting;
mod executor;
pub mod faults;
mod faulty;
mod forward;
mod harness;
pub mod laws;
mod live;
mod macros;
pub mod model;
mod profile;
mod proxy;
mod remote;
pub mod samples;
mod tamper;
mod trial;

pub use alone::alone;
pub use counting::CountingLog;
pub use executor::{block_on, eventually, runtime};
pub use faulty::{Fault, FaultyLog, Gate};
pub use harness::{Behind, Harness, MemoryHarness};
pub use live::LocalLive;
pub use profile::{Ability, Profile};
pub use proxy::{FaultProxy, Way};
pub use remote::{Options, Remote, RemoteHarness};
pub use tamper::{Tamper, Tampered};
