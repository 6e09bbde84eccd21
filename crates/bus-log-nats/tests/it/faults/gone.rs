//! A server that comes back with nothing in it.

use bus_log::{LogErrorKind, SessionLog};
use bus_testkit::{block_on, samples};

use super::server::own;
use crate::support::{Stream, append, open};

#[test]
fn an_empty_data_folder_is_no_place_to_go_on() {
    let mut server = own();
    let stream = Stream::at(&server.url());
    let (log, key) = (open(stream.config()).unwrap(), samples::key("s"));
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
    let new = open(stream.config()).unwrap();
    refused("another log");
    assert_eq!(append(&new, &key, "z", 1).unwrap(), 1);
    refused("another log");
}
