use std::fs;
use std::path::PathBuf;
use std::process::Command;

use super::{Scratch, owner};
use crate::server::{Deed, Kind};
use crate::{Postgres, process};

/// Tests of each kind, made of functions that take any.
macro_rules! of_each_kind {
    ($($test:ident)*) => {
        of_each_kind! { @kind nats crate::Nats; $($test)* }
        of_each_kind! { @kind postgres crate::Postgres; $($test)* }
        of_each_kind! { @kind redis crate::Redis; $($test)* }
    };
    (@kind $name:ident $kind:ty; $($test:ident)*) => {
        mod $name {
            $(#[test] fn $test() {
                // Whoever needs a server says so; this crate is also built where there is none.
                if <$kind as crate::Kind>::is_installed() {
                    super::$test::<$kind>();
                }
            })*
        }
    };
}

of_each_kind! {
    what_a_killed_test_left_is_ended_and_removed
    a_port_that_was_taken_meanwhile_is_left_to_its_taker
    a_server_comes_back_with_its_data_unless_they_are_wiped
    a_server_is_ended_whatever_its_files_say_of_it
}

#[test]
fn a_folder_s_owner_stands_in_its_name() {
    let of = |name: &str| owner::<Postgres>(name.as_ref());
    assert_eq!(of("/x/postgres-12-0"), Some(12));
    for other in [
        "/x/postgres",
        "/x/postgres-12",
        "/x/postgres-a-0",
        "/x/postgresql-12-0",
        "/x/redis-12-0",
    ] {
        assert_eq!(of(other), None, "{other}");
    }
}

fn parent<S: Kind>(test: &str) -> PathBuf {
    let parent = std::env::temp_dir().join(format!("local-servers-{test}-{}", S::NAME));
    crate::folder_below(&parent, S::USER).unwrap()
}

fn what_a_killed_test_left_is_ended_and_removed<S: Kind>() {
    let parent = parent::<S>("sweep");
    // The id of a process that has ended.
    let mut child = Command::new("true").spawn().unwrap();
    child.wait().unwrap();
    let left = parent.join(format!("{}-{}-0", S::NAME, child.id()));
    let mut server = Box::new(S::at(&left).unwrap());
    server.make().unwrap();
    server.start().unwrap();
    let pid = i32::try_from(server.pid().unwrap()).unwrap();
    server.leave_running();
    let scratch = Scratch::<S>::start(&parent).unwrap();
    assert!(!left.exists() && !process::is_alive(pid));
    drop(scratch);
    fs::remove_dir_all(parent).unwrap();
}

fn a_port_that_was_taken_meanwhile_is_left_to_its_taker<S: Kind>() {
    let parent = parent::<S>("port");
    let mut scratch = Scratch::<S>::prepare(&parent).unwrap();
    let taker = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taker.local_addr().unwrap().port();
    scratch.set_port(port);
    scratch.start_at_a_free_port().unwrap();
    assert_ne!(scratch.port(), port);
    drop(scratch);
    fs::remove_dir_all(parent).unwrap();
}

fn a_server_comes_back_with_its_data_unless_they_are_wiped<S: Kind>() {
    let parent = parent::<S>("wipe");
    let mut server = Scratch::<S>::start(&parent).unwrap();
    let mark = server.folder().join("data/mark");
    fs::write(&mark, "").unwrap();
    assert!(server.undergo(Deed::Wipe).is_err(), "not while it runs");
    server.undergo(Deed::Kill).unwrap();
    assert!(server.pid().is_none() && mark.exists());
    server.undergo(Deed::Start).unwrap();
    assert!(server.pid().is_some() && mark.exists());
    server.undergo(Deed::Stop).unwrap();
    server.undergo(Deed::Wipe).unwrap();
    assert!(!mark.exists());
    server.undergo(Deed::Start).unwrap();
    assert!(server.pid().is_some());
    drop(server);
    fs::remove_dir_all(parent).unwrap();
}

/// A server writes its own files anew now and then, and whoever reads one just then finds half of it.
fn a_server_is_ended_whatever_its_files_say_of_it<S: Kind>() {
    let parent = parent::<S>("half");
    let mut server = Scratch::<S>::start(&parent).unwrap();
    let pid = server.pid().unwrap();
    // PostgreSQL does not come back to a file that is empty.
    for (file, half) in [
        ("pid", String::new()),
        ("data/postmaster.pid", format!("{pid}\n")),
    ] {
        let file = server.folder().join(file);
        if file.exists() {
            fs::write(file, half).unwrap();
        }
    }
    assert_eq!(server.pid(), Some(pid));
    server.undergo(Deed::Kill).unwrap();
    assert_eq!(server.pid(), None);
    server.undergo(Deed::Start).unwrap();
    assert_ne!(server.pid(), Some(pid));
    drop(server);
    fs::remove_dir_all(parent).unwrap();
}
