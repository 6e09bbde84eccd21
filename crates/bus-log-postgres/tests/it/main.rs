//! The log on a real server: `BUS_TEST_POSTGRES_URL`, which `cargo xtask test` sets.

#![expect(clippy::unwrap_used, reason = "helpers of tests may")]

mod connections;
mod errors;
mod faults;
mod keeping;
mod laws;
mod migrations;
mod news;
mod security;
mod support;
mod tls;
mod warnings;
