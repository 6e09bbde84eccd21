//! The reference and what stands on it, from outside.

#![expect(clippy::unwrap_used, reason = "a test that can't go on has failed")]

mod audit;
mod bounds;
mod edges;
mod faults;
mod followers;
mod gaps;
mod laws;
mod lifetime;
mod outcome;
mod panics;
mod replicate;
mod shipping;
mod sink;
mod start;
mod support;
