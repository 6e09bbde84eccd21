//! Faults for the embedded log.
//!
//! **Who this crate is for.** Anybody who changes `bus-log-file`, or wants to know why it can be trusted: run
//! `cargo xtask crash`. It plays scripts of appends, archives and erasures on a simulated disk
//! ([`sim`]), and tries every fault at every point of them.

pub mod play;
pub mod process;
pub mod report;
pub mod sim;
pub mod sweep;
