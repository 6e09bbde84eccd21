//! The log on a real server: `BUS_TEST_POSTGRES_URL`, which `cargo xtask test` sets.

mod laws;
mod support;
