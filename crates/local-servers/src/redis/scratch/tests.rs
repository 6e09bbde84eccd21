use std::fs;
use std::process::Command;

use super::{Redis, ScratchRedis, owner};
use crate::process;

#[test]
fn a_folder_s_owner_stands_in_its_name() {
    let of = |name: &str| owner(name.as_ref());
    assert_eq!(of("/x/redis-12-0"), Some(12));
    for other in [
        "/x/redis",
        "/x/redis-12",
        "/x/redis-a-0",
        "/x/postgres-12-0",
    ] {
        assert_eq!(of(other), None, "{other}");
    }
}

#[test]
fn what_a_killed_test_left_is_ended_and_removed() {
    if !Redis::is_installed() {
        // Whoever needs a server says so; this crate is also built where there is none.
        return;
    }
    let parent = std::env::temp_dir().join("local-servers-sweep-redis");
    let parent = crate::folder_below(&parent, super::USER).unwrap();
    // The id of a process that has ended.
    let mut child = Command::new("true").spawn().unwrap();
    child.wait().unwrap();
    let left = parent.join(format!("redis-{}-0", child.id()));
    let mut server = Redis::prepare(&left).unwrap();
    server.start().unwrap();
    let pid = i32::try_from(server.pid().unwrap()).unwrap();
    server.leave_running();
    let scratch = ScratchRedis::start(&parent).unwrap();
    assert!(!left.exists() && !process::is_alive(pid));
    drop(scratch);
    fs::remove_dir_all(parent).unwrap();
}

#[test]
fn a_server_comes_back_with_its_data_unless_they_are_wiped() {
    if !Redis::is_installed() {
        // As above.
        return;
    }
    let parent = std::env::temp_dir().join("local-servers-wipe-redis");
    let mut server = ScratchRedis::start(&parent).unwrap();
    let files = |server: &Redis| fs::read_dir(server.data()).unwrap().count();
    assert!(files(&server) > 0);
    assert!(server.wipe().is_err(), "not while it runs");
    server.kill().unwrap();
    assert!(!server.is_running() && files(&server) > 0);
    server.wipe().unwrap();
    assert_eq!(files(&server), 0);
    server.start().unwrap();
    assert!(server.is_running());
}
