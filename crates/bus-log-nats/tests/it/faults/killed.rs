//! A server that is killed, or paused, in the middle of appends.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use super::server::{Writer, let_write, own, rounds};
use crate::support::{Stream, open};

#[test]
fn a_server_that_is_killed_again_and_again_loses_nothing_and_doubles_nothing() {
    let mut server = own();
    let stream = Stream::at(&server.url());
    let log = Arc::new(open(stream.config()).unwrap());
    let writers = ["a", "b"].map(|name| Writer::start(&log, name));
    for _ in 0..rounds(5) {
        let_write(&writers, 3);
        server.kill().unwrap();
        server.start().unwrap();
    }
    let_write(&writers, 3);
    for writer in writers {
        let (batches, errors) = writer.finish(&log);
        println!(
            "killed {} times: {batches} batches, {errors} errors met, none lost",
            rounds(5)
        );
        assert!(errors > 0, "the kills were noticed");
    }
}

#[test]
fn a_server_that_is_paused_costs_time_only() {
    let server = own();
    let stream = Stream::at(&server.url());
    let config = stream.config().with_timeout(Duration::from_millis(100));
    let config = config.with_connect_timeout(Duration::from_millis(300));
    let log = Arc::new(open(config).unwrap());
    let writers = ["a", "b"].map(|name| Writer::start(&log, name));
    let mut longest = Duration::ZERO;
    for round in 0..rounds(5) {
        let_write(&writers, 3);
        server.pause().unwrap();
        // Shorter and longer than the log's patience.
        let pause = Duration::from_millis(50 + u64::from(round % 5) * 150);
        thread::park_timeout(pause);
        longest = longest.max(pause);
        server.resume().unwrap();
    }
    let_write(&writers, 3);
    for writer in writers {
        let (batches, errors) = writer.finish(&log);
        println!("paused for up to {longest:?}: {batches} batches, {errors} errors met, none lost");
        assert!(errors > 0, "the pauses were noticed");
    }
}
