//! What is said to who listens, as a program's operator does.

use bus_testkit::warnings;

use crate::support::Stream;

#[test]
fn what_a_client_can_t_see_of_a_server_is_said_once_for_each_log() {
    warnings::listen();
    let streams = [Stream::new(), Stream::new()];
    for stream in &streams {
        drop(stream.open());
        drop(stream.open());
        let warnings = warnings::naming(stream.name());
        assert_eq!(warnings.len(), 1, "{warnings:?}");
        assert!(warnings[0].contains("sync_interval"), "{warnings:?}");
    }
}
