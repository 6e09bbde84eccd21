//! The laws of a session log as tests, one public function per law.
//!
//! **Who this crate is for.** Authors of a backend of [`SessionLog`](bus_log::SessionLog). Take
//! it as a dev-dependency and implement [`Harness`] for the backend. One line then makes one test per
//! law, each with a name of its own:
//!
//! ```
//! bus_testkit::laws!(memory, bus_testkit::MemoryHarness::new);
//! # fn main() {}
//! ```
//!
//! The backend's [`Profile`] says what the backend can't do, and why. A test that is skipped for that reason is
//! printed, never silent. The message of a failed law names the law, the log, and the fact that does not hold.
//!
//! - [`mod@laws`]: the laws. The crate's own tests run each law on a log that breaks just this law, and check that
//!   it fails.
//! - [`model`]: random operations against the in-memory reference, and the reference itself against
//!   a more naive model.
//! - [`mod@faults`]: failures between a log and its server; [`faults!`] makes a test of each.
//! - [`Remote`], [`RemoteHarness`]: the laws on a log that is on a server.
//! - [`FaultProxy`]: a network that cuts, holds and refuses connections, for logs on servers.
//! - [`LocalLive`]: a live channel in memory that cuts, loses and repeats.
//! - [`warnings`]: what logs tell an operator by `tracing`.
//! - [`samples`], [`FaultyLog`], [`Tampered`], [`CountingLog`], [`block_on`], [`eventually`], [`alone`],
//!   [`server_url`], [`unique_name`], [`shown`], [`unavailable`]: useful in other tests too.

mod alone;
mod counting;
mod env;
mod errors;
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
pub mod warnings;

pub use alone::alone;
pub use counting::CountingLog;
pub use env::{server_url, unique_name};
pub use errors::{shown, unavailable};
pub use executor::{block_on, eventually, runtime};
pub use faulty::{Fault, FaultyLog, Gate};
pub use harness::{Behind, Harness, MemoryHarness};
pub use live::LocalLive;
pub use profile::{Ability, Profile};
pub use proxy::{FaultProxy, Way};
pub use remote::{Options, Remote, RemoteHarness};
pub use tamper::{Tamper, Tampered};
