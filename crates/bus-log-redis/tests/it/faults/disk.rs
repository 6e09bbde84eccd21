//! A server whose disk is full. PostgreSQL's is tried by part: its tables and its write-ahead log are two things.

use bus_testkit::faults::{
    OnServer, a_server_whose_disk_is_full_loses_nothing_and_doubles_nothing,
};

use crate::support::Log;

#[test]
fn a_disk_that_is_full_loses_nothing_and_doubles_nothing() {
    let start = || OnServer::<Log>::start(env!("CARGO_TARGET_TMPDIR"));
    a_server_whose_disk_is_full_loses_nothing_and_doubles_nothing(&start);
}
