//! A server that ends connections, and one whose disk is full, while it is shipped to.

use std::io::Write;
use std::sync::Arc;

use bus_open::{Expect, SessionLog};
use bus_testkit::{block_on, eventually, samples};

use super::killed::Emitter;
use crate::support::{
    LONG, Places, Remote, assert_level, flush, on_each_server, quick, rounds, shipping, texts,
};

on_each_server! {
    connections_that_the_server_ends_while_it_is_shipped_to_cost_nothing
    a_server_s_full_disk_is_not_noticed_by_who_emits_and_it_has_all_in_the_end
}

/// Says past the test runner's capture what is not tried.
fn skipped(what: &str) {
    // Where nobody listens there is nobody to tell.
    let _ = std::io::stderr().write_all(format!("skipped: {what}\n").as_bytes());
}

fn connections_that_the_server_ends_while_it_is_shipped_to_cost_nothing<R: Remote>() {
    let places = Places::<R>::new();
    if places.server.end_connections().is_none() {
        skipped("ended connections: this server ends them for its system account only");
        return;
    }
    let log = Arc::new(shipping(&places.local(), &places.remote(), quick()));
    let emitters = ["a", "b", "c"].map(|name| Emitter::start(&log, name));
    let (mut ended, mut shipped) = (0, 0);
    for _ in 0..rounds(20) {
        let moves = eventually(LONG, || log.lag().shipped > shipped + 10);
        assert!(moves, "it is shipped: {:?}", log.lag());
        // There may be none just now, since the last one.
        let has_ended = eventually(LONG, || {
            let now = places.server.end_connections().unwrap_or_default();
            ended += now;
            now > 0
        });
        assert!(has_ended, "a connection is ended");
        shipped = log.lag().shipped;
    }
    let emitted = emitters.map(Emitter::end);
    flush(&log);
    let lag = log.lag();
    assert!(lag.is_level() && lag.refused == 0, "{lag:?}");
    let mut events = 0;
    for (key, expected) in &emitted {
        assert_eq!(texts(&**log.remote(), key), *expected, "{key}");
        events += expected.len();
    }
    println!("{ended} connections ended by the server: {events} events, none lost, none twice");
}

fn a_server_s_full_disk_is_not_noticed_by_who_emits_and_it_has_all_in_the_end<R: Remote>() {
    if !local_servers::may_mount() {
        skipped("a full disk: a small one must be mounted, which needs CAP_SYS_ADMIN");
        return;
    }
    let mut places = Places::<R>::new();
    // What is shipped stays: enough for all rounds, with the server's own.
    places
        .server
        .shrink((160 + 16 * u64::from(rounds(2))) << 20);
    let log = Arc::new(shipping(&places.local(), &places.remote(), quick()));
    let emitters = ["a", "b", "c"].map(|name| Emitter::start(&log, name));
    let key = samples::key("large");
    let (mut large, mut shipped) = (0, 0);
    for _ in 0..rounds(2) {
        let moves = eventually(LONG, || log.lag().shipped > shipped + 10);
        assert!(moves, "it is shipped: {:?}", log.lag());
        places.server.fill();
        // What needs new blocks, until it is not taken any more; here each of them is.
        let told = eventually(LONG, || {
            let number = samples::entry(samples::text(large.to_string()));
            let batch = [samples::of_size(100_000), number];
            block_on(log.append_entries(&key, Expect::Any, &batch)).unwrap();
            large += 2;
            let begun = log.lag().shipped;
            let is_out = || log.lag().outage.is_some();
            // Either it is taken, or it is told that it is not.
            let _ = eventually(LONG, || is_out() || log.lag().shipped > begun + 20);
            is_out() && large > 20
        });
        assert!(told, "the lag tells of the outage: {:?}", log.lag());
        let before: Vec<u64> = emitters.iter().map(Emitter::acknowledged).collect();
        let goes_on = eventually(LONG, || {
            let mut pairs = emitters.iter().zip(&before);
            pairs.all(|(emitter, before)| emitter.acknowledged() >= before + 10)
        });
        assert!(goes_on, "appends go on without the server");
        places.server.make_room();
        // One that has ended, or writes no more until it is started again, is started by its operator.
        places.server.kill();
        places.server.start();
        shipped = log.lag().shipped;
    }
    let emitted = emitters.map(Emitter::end);
    flush(&log);
    let lag = log.lag();
    assert!(lag.is_level() && lag.refused == 0, "{lag:?}");
    let mut events = assert_level(&**log.local(), &**log.remote(), std::slice::from_ref(&key));
    assert_eq!(events, large);
    for (key, expected) in &emitted {
        assert_eq!(texts(&**log.remote(), key), *expected, "{key}");
        events += expected.len() as u64;
    }
    println!(
        "a full disk {} times: {events} events, none lost, none twice",
        rounds(2)
    );
}
