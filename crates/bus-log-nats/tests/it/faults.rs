//! What can go wrong between a log and its server: each append is there if it said so, and is wholly
//! there or not at all if it said otherwise; and the recipe of law E1 never writes twice.
//!
//! Each test has a server of its own. `BUS_TEST_ROUNDS` says how often the longer ones do their worst;
//! `cargo xtask faults` sets it.

mod cluster;
mod crowd;
mod deposed;
mod disk;
mod full;
mod lost;
mod named;
mod partition;
mod rotation;
mod words;

use crate::support::Stream;
pub(crate) use cluster::{LONG, keeps_what_it_took};

bus_testkit::faults!(nats, Stream);
