//! The log on a real server: `BUS_TEST_REDIS_URL`, which `cargo xtask test` sets.

#![expect(clippy::unwrap_used, reason = "helpers of tests may")]

mod connections;
mod durability;
mod errors;
mod faults;
mod keeping;
mod laws;
mod permissions;
mod support;
mod tls;
mod warnings;
