//! A server that comes back with nothing in it.

use bus_log::{LogErrorKind, SessionLog};
use local_servers::Deed;

use super::recipe::append;
use super::server::{OnServer, ServedLog, open, undergo};
use crate::{Options, block_on, samples};

/// A log whose server came back empty is `Unavailable`, and stays so when another log has taken its place.
pub fn an_empty_data_folder_is_no_place_to_go_on<L: ServedLog>(start: &impl Fn() -> OnServer<L>) {
    let mut server = start();
    let log = open(&server, Options::default());
    append(&log, &samples::key("s"), "x", 5).expect("an append");
    undergo(&mut server, &[Deed::Stop]);
    refused(&*log, "");
    undergo(&mut server, &[Deed::Wipe, Deed::Start]);
    no_place_to_go_on(&server, &*log);
}

/// The same where the log was removed while the server ran.
pub fn a_server_that_is_emptied_while_it_runs_is_no_place_to_go_on<L: ServedLog>(
    start: &impl Fn() -> OnServer<L>,
) {
    let server = start();
    let log = open(&server, Options::default());
    append(&log, &samples::key("s"), "x", 5).expect("an append");
    server.log.empty();
    assert_eq!(server.log.parts(), 0, "nothing is left");
    no_place_to_go_on(&server, &*log);
}

fn no_place_to_go_on(server: &OnServer<impl ServedLog>, log: &dyn SessionLog) {
    refused(log, "not there any more");
    assert_eq!(server.log.parts(), 0, "nothing was made again");
    // Whoever comes new makes a new log; the one that was open does not take it for its own.
    let new = open(server, Options::default());
    refused(log, "another log");
    assert_eq!(append(&new, &samples::key("s"), "z", 1).ok(), Some(1));
    refused(log, "another log");
}

#[track_caller]
fn refused(log: &dyn SessionLog, words: &str) {
    let key = samples::key("s");
    let appended = append(log, &key, "y", 1).map(drop);
    let read = block_on(log.load_since(&key, 0)).map(drop);
    let bounds = block_on(log.bounds(&key)).map(drop);
    for done in [appended, read, bounds] {
        let error = done.expect_err("this is another log, or none");
        assert_eq!(error.kind(), LogErrorKind::Unavailable, "{error:?}");
        assert!(error.to_string().contains(words), "{error}");
    }
}
