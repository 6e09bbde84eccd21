//! A server that comes back with nothing in it.

use bus_log::{LogErrorKind, SessionLog};
use bus_testkit::{block_on, samples};

use super::server::own;
use crate::support::{Log, append, open};

#[test]
fn an_empty_data_folder_is_no_place_to_go_on() {
    let mut server = own();
    let made = Log::at(&server.url());
    let (log, key) = (open(made.config()).unwrap(), samples::key("s"));
    append(&log, &key, "x", 5).unwrap();
    server.stop().unwrap();
    assert_eq!(
        append(&log, &key, "y", 1).unwrap_err().kind(),
        LogErrorKind::Unavailable
    );
    server.wipe().unwrap();
    server.start().unwrap();

    let refused = |words: &str| {
        let appended = append(&log, &key, "y", 1).unwrap_err();
        let read = block_on(log.load_since(&key, 0)).unwrap_err();
        for error in [appended, read] {
            assert_eq!(error.kind(), LogErrorKind::Unavailable, "{error:?}");
            assert!(error.to_string().contains(words), "{error}");
        }
    };
    refused("not there any more");
    // Whoever comes new makes a new log; the one that was open does not take it for its own.
    let new = open(made.config()).unwrap();
    refused("another log");
    assert_eq!(append(&new, &key, "z", 1).unwrap(), 1);
    refused("another log");
}

#[test]
fn a_server_that_is_emptied_while_it_runs_is_no_place_to_go_on() {
    let server = own();
    let made = Log::at(&server.url());
    let (log, key) = (made.open(), samples::key("s"));
    append(&log, &key, "x", 5).unwrap();
    made.ask().run::<()>(&["FLUSHALL"]);
    let error = append(&log, &key, "y", 1).unwrap_err();
    assert_eq!(error.kind(), LogErrorKind::Unavailable, "{error:?}");
    let error = block_on(log.bounds(&key)).unwrap_err();
    assert_eq!(error.kind(), LogErrorKind::Unavailable, "{error:?}");
    assert!(
        block_on(bus_log_redis::RedisSessionLog::open_existing(made.config()))
            .unwrap()
            .is_none()
    );
}

#[test]
fn a_thread_that_lost_a_key_is_damaged_and_never_begins_again() {
    let made = Log::new();
    let log = made.open();
    for (name, lost) in [
        ("head", "head"),
        ("pages", "pages"),
        ("all", ""),
        ("name", "threads:acme"),
    ] {
        let key = samples::key(name);
        append(&log, &key, "x", 3).unwrap();
        let rest = match lost {
            "threads:acme" => lost.to_owned(),
            part => format!("{part}:4:acme:{name}"),
        };
        let mut ask = made.ask();
        if lost.is_empty() {
            for part in ["head", "pages"] {
                ask.run::<u32>(&["DEL", &made.key(&format!("{part}:4:acme:{name}"))]);
            }
        } else {
            assert_eq!(ask.run::<u32>(&["DEL", &made.key(&rest)]), 1, "{rest}");
        }
        let read = block_on(log.load_since(&key, 0));
        let appended = append(&log, &key, "y", 1);
        match name {
            // The events are there, and numbered on.
            "name" => {
                assert_eq!((read.unwrap().len(), appended.unwrap()), (3, 4));
                // But who lists them is told that some are not named, and no new one hides it.
                let listed = block_on(log.list(key.tenant_id(), None, 9)).unwrap_err();
                let new = append(&log, &samples::key("new"), "x", 1).unwrap_err();
                for error in [listed, new] {
                    assert_eq!(error.kind(), LogErrorKind::Corrupt, "{error:?}");
                }
            }
            "pages" => {
                assert_eq!(read.unwrap_err().kind(), LogErrorKind::Corrupt);
                assert_eq!(appended.unwrap(), 4);
                assert_eq!(
                    block_on(log.load_since(&key, 0)).unwrap_err().kind(),
                    LogErrorKind::Corrupt
                );
            }
            _ => {
                assert_eq!(read.unwrap_err().kind(), LogErrorKind::Corrupt, "{name}");
                assert_eq!(
                    appended.unwrap_err().kind(),
                    LogErrorKind::Corrupt,
                    "{name}"
                );
                let listed = block_on(log.list(key.tenant_id(), None, 9)).unwrap();
                assert!(
                    listed
                        .iter()
                        .any(|thread| thread.damaged && thread.key == key)
                );
            }
        }
    }
}
