//! The log on a real server: `BUS_TEST_NATS_URL`, which `cargo xtask test` sets.

#![expect(clippy::unwrap_used, reason = "helpers of tests may")]

mod faults;
mod flight;
mod keeping;
mod laws;
mod limits;
mod live;
mod meanwhile;
mod support;
mod tls;
mod warnings;
