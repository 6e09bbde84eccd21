//! A server of the test's own, and who writes to it.

#[allow(
    unused_imports,
    reason = "not every one of them is needed at all times"
)]
pub(super) use bus_testkit::faults::{Writer, let_write, rounds};

pub(super) use crate::support::own;
