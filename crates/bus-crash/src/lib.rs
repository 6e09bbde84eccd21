//! Faults for the embedded log.
//!
//! **Who this crate is for.** Whoever changes `bus-log-file`, or wants to know why to trust it: run
//! `cargo xtask crash`. It plays scripts of appends, archives and erasures on a simulated disk
//! ([`sim`]), and tries what can go wrong at every point of them.

pub mod play;
pub mod process;
pub mod report;
pub mod sim;
pub mod sweep;
