//! A server whose memory is used up.

use std::time::Duration;

use bus_log::{Expect, LogErrorKind, SessionLog};
use bus_testkit::faults::{append, texts};
use bus_testkit::{block_on, eventually, samples};

use crate::support::{Log, open, own};

#[test]
fn an_append_that_finds_no_memory_is_unavailable_and_leaves_no_part() {
    let server = own();
    let made = Log::at(&server.url());
    let (log, key) = (open(made.config()).unwrap(), samples::key("s"));
    append(&log, &key, "before", 2).unwrap();
    let mut ask = made.ask();
    ask.run::<()>(&["CONFIG", "SET", "maxmemory", "8mb"]);
    let batch = vec![samples::of_size(100_000); 5];
    let mut appended = 0;
    let error = loop {
        match block_on(log.append_entries(&key, Expect::Any, &batch)) {
            Ok(_) => appended += batch.len(),
            Err(error) => break error,
        }
        assert!(appended < 1000, "the limit is never reached");
    };
    assert_eq!(error.kind(), LogErrorKind::Unavailable, "{error:?}");
    assert!(error.to_string().contains("maxmemory"), "{error}");
    assert!(appended > 0);
    // What is there is whole, can be read, and is numbered without a gap.
    assert_eq!(
        block_on(log.load_since(&key, 0)).unwrap().len(),
        2 + appended
    );
    ask.run::<()>(&["CONFIG", "SET", "maxmemory", "4mb"]);
    // A new thread finds no room either, and is not named.
    let other = samples::key("other");
    assert_eq!(
        append(&log, &other, "x", 1).unwrap_err().kind(),
        LogErrorKind::Unavailable
    );
    assert_eq!(
        block_on(log.list(key.tenant_id(), None, 9)).unwrap().len(),
        1
    );
    // Archiving and erasing are how an operator makes room.
    let half = appended as u64 / 2;
    assert_eq!(
        block_on(log.archive_before(&key, half)).unwrap() as u64,
        half
    );
    block_on(log.erase(&key)).unwrap();
    let freed = || append(&log, &other, "x", 1).is_ok();
    assert!(
        eventually(Duration::from_secs(20), freed),
        "it is given back"
    );
    let last = 2 + appended as u64;
    assert_eq!(append(&log, &key, "after", 1).unwrap(), last + 1);
    assert_eq!(texts(&log, &key), ["after 0"]);
    println!("{appended} events before the limit, none in part");
}

#[test]
fn a_server_that_evicts_is_refused_and_a_log_that_is_open_says_so_soon() {
    let server = own();
    let made = Log::at(&server.url());
    let config = made.config().with_poll_interval(Duration::from_millis(100));
    let (log, key) = (open(config).unwrap(), samples::key("s"));
    append(&log, &key, "before", 2).unwrap();
    let mut ask = made.ask();
    ask.run::<()>(&["CONFIG", "SET", "maxmemory", "1gb"]);
    ask.run::<()>(&["CONFIG", "SET", "maxmemory-policy", "allkeys-lru"]);
    let error = open(made.config()).unwrap_err();
    assert_eq!(error.kind(), LogErrorKind::Unsupported);
    assert!(error.to_string().contains("allkeys-lru"), "{error}");
    let refused = || {
        append(&log, &key, "x", 1).is_err_and(|error| {
            assert_eq!(error.kind(), LogErrorKind::Unavailable, "{error:?}");
            std::error::Error::source(&error)
                .is_some_and(|why| why.to_string().contains("allkeys-lru"))
        })
    };
    assert!(
        eventually(Duration::from_secs(20), refused),
        "it is noticed"
    );
    ask.run::<()>(&["CONFIG", "SET", "maxmemory-policy", "noeviction"]);
    let taken = || append(&log, &key, "x", 1).is_ok();
    assert!(eventually(Duration::from_secs(20), taken), "it goes on");
}

#[test]
fn what_a_server_evicts_all_the_same_is_never_numbered_again() {
    let server = own();
    let made = Log::at(&server.url());
    // It looks at its server as seldom as it may, every 10 s: until then nothing else tells it.
    let config = made.config().with_poll_interval(Duration::from_secs(3600));
    let log = open(config).unwrap();
    let keys: Vec<_> = (0..40).map(|n| samples::key(&format!("s{n}"))).collect();
    let batch = vec![samples::of_size(50_000); 2];
    let mut ask = made.ask();
    ask.run::<()>(&["CONFIG", "SET", "maxmemory-policy", "allkeys-random"]);
    ask.run::<()>(&["CONFIG", "SET", "maxmemory", "4mb"]);
    let mut lasts = vec![0; keys.len()];
    let (mut appended, mut refused) = (0, 0);
    for round in 0..10 {
        for (key, last) in keys.iter().zip(&mut lasts) {
            match block_on(log.append_entries(key, Expect::Any, &batch)) {
                Ok(end) => {
                    assert_eq!(end, *last + 2, "round {round}: no ordinal twice");
                    *last = end;
                    appended += 1;
                }
                Err(error) => {
                    let is_foreseen = [LogErrorKind::Corrupt, LogErrorKind::Unavailable];
                    assert!(is_foreseen.contains(&error.kind()), "{error:?}");
                    refused += 1;
                }
            }
            // What can be read is what was written, or it is said to be damaged.
            if let Ok(events) = block_on(log.load_since(key, 0)) {
                assert_eq!(events.len() as u64, *last);
            }
        }
    }
    println!(
        "{appended} batches appended, {refused} refused after keys were evicted, no ordinal twice"
    );
    assert!(refused > 0, "something was evicted");
}
