//! A log that is open to be read only.

use std::time::{Duration, Instant};

use bus_log::{LogErrorKind, SessionLog};

use super::recipe::append;
use super::server::{OnServer, ServedLog, open, open_at, place};
use crate::{Options, block_on, samples};

/// A log that is open to read does all that reading is, and says of the rest that it is `Unsupported`.
pub fn a_log_that_is_open_to_read_only_reads<L: ServedLog>(start: &impl Fn() -> OnServer<L>) {
    let server = start();
    let read_only = Options {
        read_only: true,
        ..Options::default()
    };
    let missing = open_at::<L>(&place(&server), read_only).err();
    let missing = missing.map(|error| error.kind());
    assert_eq!(missing, Some(LogErrorKind::Unavailable), "there is none");
    assert_eq!(server.log.parts(), 0, "and none is made");

    let key = samples::key("s");
    append(&open(&server, Options::default()), &key, "x", 3).expect("an append");
    let log = open(&server, read_only);
    assert_eq!(block_on(log.load_since(&key, 1)).expect("a read").len(), 2);
    let listed = block_on(log.list(key.tenant_id(), None, 9)).expect("a list");
    assert_eq!(listed.len(), 1);
    let soon = Instant::now() + Duration::from_millis(20);
    assert_eq!(block_on(log.changed(&key, 3, soon)).ok(), Some(3));
    for done in [
        append(&log, &key, "y", 1).map(drop),
        block_on(log.archive_before(&key, 1)).map(drop),
        block_on(log.erase(&key)),
    ] {
        let error = done.expect_err("it only reads");
        assert_eq!(error.kind(), LogErrorKind::Unsupported, "{error:?}");
    }
}
