//! A server that has lost a part of what was in it.

use bus_log::{LogErrorKind, SessionLog};
use bus_testkit::faults::append;
use bus_testkit::{block_on, samples};

use crate::support::Log;

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
