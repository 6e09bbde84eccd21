//! What one call's connection has to do with another's.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use bus_log::{Expect, LogErrorKind, SessionLog};
use bus_testkit::faults::append;
use bus_testkit::{FaultProxy, block_on, eventually, runtime, samples};
use futures_util::future::join_all;

use crate::support::{Ask, Log, Relay, open, own};

/// How many connections the server has had.
fn connections(ask: &mut Ask) -> u64 {
    number(
        &ask.run::<String>(&["INFO", "stats"]),
        "total_connections_received:",
    )
}

fn number(info: &str, field: &str) -> u64 {
    let line = info.lines().find_map(|line| line.strip_prefix(field));
    line.map_or(0, |number| number.trim().parse().unwrap())
}

fn subscribers(ask: &mut Ask) -> u64 {
    number(&ask.run::<String>(&["INFO", "clients"]), "pubsub_clients:")
        + ask
            .run::<String>(&["CLIENT", "LIST", "TYPE", "pubsub"])
            .lines()
            .filter(|line| !line.is_empty())
            .count() as u64
}

#[test]
fn large_reads_pass_beside_who_waits_for_news() {
    let server = own();
    let made = Log::at(&server.url());
    let log = Arc::new(open(made.config()).unwrap());
    let key = samples::key("large");
    block_on(log.append_entries(&key, Expect::Any, &[samples::of_size(4 << 20)])).unwrap();
    let over = Arc::new(AtomicBool::new(false));
    let waits = thread::spawn({
        let (log, over) = (Arc::clone(&log), Arc::clone(&over));
        move || {
            while !over.load(Ordering::SeqCst) {
                let deadline = Instant::now() + Duration::from_secs(1);
                let _ = block_on(log.changed(&samples::key("quiet"), 0, deadline));
            }
        }
    });
    let mut ask = made.ask();
    assert!(eventually(Duration::from_secs(20), || subscribers(
        &mut ask
    ) > 0));
    let before = connections(&mut ask);
    for _ in 0..3 {
        let reads = (0..16).map(|_| {
            let (log, key) = (Arc::clone(&log), key.clone());
            async move { log.read(&key, 0, 9).await.map(|page| page.events.len()) }
        });
        for read in runtime().block_on(join_all(reads)) {
            assert_eq!(read.unwrap(), 1);
        }
    }
    assert_eq!(connections(&mut ask), before, "none was lost");
    over.store(true, Ordering::SeqCst);
    waits.join().unwrap();
}

#[test]
fn appends_that_wait_for_a_lost_replica_hold_up_no_read() {
    let server = own();
    let made = Log::at(&server.url());
    let config = made.config().with_replicas(1);
    let log = Arc::new(open(config.with_call_timeout(Duration::from_secs(3))).unwrap());
    let over = Arc::new(AtomicBool::new(false));
    let appender = thread::spawn({
        let (log, over) = (Arc::clone(&log), Arc::clone(&over));
        move || {
            let mut count = 0;
            while !over.load(Ordering::SeqCst) {
                let error = append(&*log, &samples::key("s"), "x", 1).unwrap_err();
                assert!(error.to_string().contains("0 of 1 replicas"), "{error}");
                count += 1;
            }
            count
        }
    });
    let key = samples::key("s");
    let mut ask = made.ask();
    let waits = |ask: &mut Ask| ask.run::<String>(&["CLIENT", "LIST"]).contains("cmd=wait");
    assert!(eventually(Duration::from_secs(20), || waits(&mut ask)));
    let before = connections(&mut ask);
    // Until a second append was given up.
    while block_on(log.load_since(&key, 0)).unwrap().len() < 3 {
        let begun = Instant::now();
        block_on(log.read(&key, 0, 9)).unwrap();
        let took = begun.elapsed();
        assert!(took < Duration::from_secs(1), "answered after {took:?}");
    }
    over.store(true, Ordering::SeqCst);
    assert!(appender.join().unwrap() >= 2);
    assert_eq!(connections(&mut ask), before, "none was lost");
}

#[test]
fn calls_that_queue_for_one_thread_share_the_time_of_one_that_finds_no_server() {
    let server = own();
    let made = Log::at(&server.url());
    let proxy = FaultProxy::new(([127, 0, 0, 1], server.port()).into()).unwrap();
    let config = made.config_at(&server.url_at(proxy.address().port()));
    let config = config.with_connect_timeout(Duration::from_secs(1));
    let log = Arc::new(open(config).unwrap());
    append(&*log, &samples::key("s"), "before", 1).unwrap();
    // It is connected to, and says nothing.
    server.pause().unwrap();
    proxy.cut_all();
    let noticed = || append(&*log, &samples::key("other"), "x", 1).is_err();
    assert!(noticed());
    let begun = Instant::now();
    let appends = (0..8).map(|_| {
        let log = Arc::clone(&log);
        async move { log.append(&samples::key("s"), &[samples::text("x")]).await }
    });
    for append in runtime().block_on(join_all(appends)) {
        assert_eq!(append.unwrap_err().kind(), LogErrorKind::Unavailable);
    }
    let took = begun.elapsed();
    assert!(took < Duration::from_secs(4), "given up after {took:?}");
    server.resume().unwrap();
    let again = || append(&*log, &samples::key("s"), "after", 1).is_ok();
    assert!(eventually(Duration::from_secs(20), again), "it goes on");
}

#[test]
fn a_wait_whose_news_can_t_be_listened_to_ends_at_its_deadline() {
    let server = own();
    let made = Log::at(&server.url());
    let relay = Relay::to(server.port());
    let log = open(made.config_at(&server.url_at(relay.port()))).unwrap();
    let key = samples::key("s");
    append(&log, &key, "x", 1).unwrap();
    relay.hold_answers_from("SUBSCRIBE");
    let begun = Instant::now();
    let waited = block_on(log.changed(&key, 1, begun + Duration::from_millis(300)));
    let took = begun.elapsed();
    assert_eq!(waited.unwrap(), 1);
    assert!(relay.has_held());
    assert!(took < Duration::from_secs(3), "ended after {took:?}");
}

#[test]
fn who_waits_looks_by_himself_while_he_can_t_listen() {
    let server = own();
    let made = Log::at(&server.url());
    let relay = Relay::to(server.port());
    let log = Arc::new(open(made.config_at(&server.url_at(relay.port()))).unwrap());
    let key = samples::key("s");
    relay.hold_answers_from("SUBSCRIBE");
    let begun = Instant::now();
    let waits = thread::spawn({
        let (log, key) = (Arc::clone(&log), key.clone());
        move || block_on(log.changed(&key, 0, begun + Duration::from_secs(20)))
    });
    assert!(eventually(Duration::from_secs(10), || relay.has_held()));
    // Neither its own appends nor those of others are missed.
    for (last, log) in [(1, &*log), (2, &made.open())] {
        append(log, &key, "x", 1).unwrap();
        let waited = block_on(log.changed(&key, last - 1, begun + Duration::from_secs(20)));
        assert_eq!(waited.unwrap(), last);
    }
    assert!(waits.join().unwrap().unwrap() > 0);
    let took = begun.elapsed();
    assert!(took < Duration::from_secs(10), "told after {took:?}");
}
