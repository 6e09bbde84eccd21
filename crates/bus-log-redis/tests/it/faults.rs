//! What can go wrong between a log and its server: each append is there if it said so, and is wholly
//! there or not at all if it said otherwise; and the recipe of law E1 never writes twice.
//!
//! Most tests have a server of their own. `BUS_TEST_ROUNDS` says how often the longer ones do their worst;
//! `cargo xtask faults` sets it.

mod cluster;
mod disk;
mod elected;
mod failover;
mod garbage;
mod gone;
mod killed;
mod memory;
mod replicas;
mod resent;
mod slots;
mod truncated;

use crate::support::Log;

bus_testkit::faults!(redis, Log);
