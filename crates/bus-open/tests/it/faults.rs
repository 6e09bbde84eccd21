//! What can go wrong between a program, its local log and the server: whatever was acknowledged is in the
//! local log, the server has a beginning of it, and all of it in the end.
//!
//! Each test has a server of its own. `BUS_TEST_ROUNDS` says how often they do their worst;
//! `cargo xtask faults` sets it.

mod budget;
mod ended;
mod killed;
mod network;
mod shipper;
