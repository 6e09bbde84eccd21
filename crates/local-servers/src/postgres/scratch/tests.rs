use std::fs;
use std::process::Command;

use super::{Postgres, ScratchPostgres, owner};
use crate::process;

#[test]
fn a_folder_s_owner_stands_in_its_name() {
    let of = |name: &str| owner(name.as_ref());
    assert_eq!(of("/x/postgres-12-0"), Some(12));
    for other in [
        "/x/postgres",
        "/x/postgres-12",
        "/x/postgres-a-0",
        "/x/other-12-0",
    ] {
        assert_eq!(of(other), None, "{other}");
    }
}

#[test]
fn what_a_killed_test_left_is_ended_and_removed() {
    if !Postgres::is_installed() {
        // Whoever needs a server says so; this crate is also built where there is none.
        return;
    }
    let parent = crate::folder_below(
        &std::env::temp_dir().join("local-servers-sweep"),
        super::USER,
    );
    let parent = parent.unwrap();
    // The id of a process that has ended.
    let mut child = Command::new("true").spawn().unwrap();
    child.wait().unwrap();
    let left = parent.join(format!("postgres-{}-0", child.id()));
    let mut server = Postgres::prepare(&left).unwrap();
    server.start().unwrap();
    let pid = i32::try_from(server.pid().unwrap()).unwrap();
    server.leave_running();
    let scratch = ScratchPostgres::start(&parent).unwrap();
    assert!(!left.exists() && !process::is_alive(pid));
    drop(scratch);
    fs::remove_dir_all(parent).unwrap();
}

#[test]
fn a_port_that_was_taken_meanwhile_is_left_to_its_taker() {
    if !Postgres::is_installed() {
        // As above.
        return;
    }
    let parent = crate::folder_below(
        &std::env::temp_dir().join("local-servers-port"),
        super::USER,
    );
    let parent = parent.unwrap();
    let mut server = ScratchPostgres::new_in(&parent).unwrap();
    server.init().unwrap();
    let taker = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    server.port = taker.local_addr().unwrap().port();
    let scratch = ScratchPostgres::started(server).unwrap();
    assert_ne!(scratch.port(), taker.local_addr().unwrap().port());
    drop(scratch);
    fs::remove_dir_all(parent).unwrap();
}
