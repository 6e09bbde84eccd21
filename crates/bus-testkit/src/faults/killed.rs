//! A server that is killed, paused, or ends connections, in the middle of appends.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use bus_log::SessionLog;
use local_servers::Deed;

use super::recipe::surely;
use super::server::{Exchange, OnServer, ServedLog, open, open_at, place, rounds, undergo};
use super::writer::{Writer, let_write};
use crate::{Ability, Options};

/// Nothing that was acknowledged is lost with a server that is killed, and nothing is written twice for it.
pub fn a_server_that_is_killed_again_and_again_loses_nothing_and_doubles_nothing<L: ServedLog>(
    start: &impl Fn() -> OnServer<L>,
) {
    let mut server = start();
    let log = open(&server, Options::default());
    let writers = ["a", "b"].map(|name| Writer::start(&log, name));
    let kills = rounds(5);
    for _ in 0..kills {
        let_write(&writers, 3);
        undergo(&mut server, &[Deed::Kill, Deed::Start]);
    }
    let_write(&writers, 3);
    for errors in all_there(&log, writers, &format!("killed {kills} times")) {
        noticed(&server, errors);
    }
}

/// A server that stands still for shorter and for longer than a call may take loses nothing.
pub fn a_server_that_is_paused_costs_time_only<L: ServedLog>(start: &impl Fn() -> OnServer<L>) {
    let mut server = start();
    let options = Options {
        call: Some(Duration::from_millis(100)),
        connect: Some(Duration::from_millis(300)),
        ..Options::default()
    };
    // To make the log may take longer than that.
    let log = surely(|| open_at::<L>(&place(&server), options));
    let writers = ["a", "b"].map(|name| Writer::start(&log, name));
    let mut longest = Duration::ZERO;
    for round in 0..rounds(5) {
        let_write(&writers, 3);
        undergo(&mut server, &[Deed::Pause]);
        // Shorter and longer than the log's patience.
        let pause = Duration::from_millis(650 - u64::from(round % 5) * 150);
        thread::park_timeout(pause);
        longest = longest.max(pause);
        undergo(&mut server, &[Deed::Resume]);
    }
    let_write(&writers, 3);
    let pauses = format!("{} pauses of up to {longest:?}", rounds(5));
    for errors in all_there(&log, writers, &pauses) {
        noticed(&server, errors);
    }
}

/// Connections that the server ends, as an operator has it do, lose nothing.
pub fn connections_that_the_server_ends_lose_nothing<L: ServedLog>(
    start: &impl Fn() -> OnServer<L>,
) {
    let server = start();
    let promise = "connections_that_the_server_ends_lose_nothing";
    let profile = server.log.profile();
    if !profile.tries_promise(promise, Ability::EndConnections) {
        return;
    }
    let log = open(&server, Options::default());
    let writers = ["a", "b", "c"].map(|name| Writer::start(&log, name));
    let mut ended = 0;
    for _ in 0..rounds(20) {
        let_write(&writers, 1);
        ended += server.log.end_connections();
    }
    let_write(&writers, 3);
    let errors = all_there(&log, writers, &format!("{ended} connections ended"));
    assert!(ended > 0, "connections ended");
    noticed(&server, errors.iter().sum());
}

/// What was done met an append under way, unless that gets over it by itself.
#[track_caller]
pub(super) fn noticed(server: &OnServer<impl ServedLog>, errors: u32) {
    let outlives = server.log.outlives_a_cut(Exchange::Append);
    assert!(outlives || errors > 0, "it was noticed");
}

/// Ends the writers, each of which finds all that it wrote, and says how many errors each met.
pub(super) fn all_there<const N: usize>(
    log: &Arc<dyn SessionLog>,
    writers: [Writer; N],
    what: &str,
) -> [u32; N] {
    writers.map(|writer| {
        let (batches, errors) = writer.finish(log);
        println!("{what}: {batches} batches, {errors} errors met, none lost, none twice");
        errors
    })
}
