//! What the bus promises, one test per promise.

#![expect(
    clippy::unwrap_used,
    reason = "clippy allows it in test functions, but not in what they share"
)]

mod audit;
mod backlog;
mod entry;
mod failure;
mod file;
mod follow;
mod full;
mod hub;
mod kit;
mod lag;
mod legacy;
mod lifetime;
mod log;
mod model;
mod order;
mod publish;
mod reentry;
mod remote;
mod seq;
mod shipping;
mod stress;
mod stuffed;
mod threadless;
