//! What the server keeps, and for how long.

use bus_log::{Expect, SessionLog};
use bus_testkit::faults::{append, texts};
use bus_testkit::{block_on, samples};
use futures_util::FutureExt;

use crate::support::{Log, own};

fn pages(made: &Log, thread: &str) -> usize {
    let key = made.key(&format!("pages:4:acme:{thread}"));
    made.ask().run(&["XLEN", &key])
}

#[test]
fn what_is_archived_is_freed_but_for_the_page_that_is_cut_in_two() {
    let made = Log::new();
    let (log, key) = (made.open(), samples::key("s"));
    // More pages than one call frees.
    for _ in 0..30 {
        let appends: Vec<_> = (0..100).map(|_| samples::batch("x", 2)).collect();
        let appends = appends
            .iter()
            .map(|batch| log.append_entries(&key, Expect::Any, batch));
        for end in block_on(futures_util::future::join_all(appends)) {
            end.unwrap();
        }
    }
    assert_eq!(pages(&made, "s"), 3000);
    assert_eq!(block_on(log.archive_before(&key, 5991)).unwrap(), 5991);
    assert_eq!(pages(&made, "s"), 5);
    assert_eq!(block_on(log.load_since(&key, 0)).unwrap().len(), 9);
    assert_eq!(append(&log, &key, "y", 1).unwrap(), 6001);
    assert_eq!(block_on(log.archive_before(&key, u64::MAX)).unwrap(), 10);
    let listed = block_on(log.list(key.tenant_id(), None, 1)).unwrap();
    assert_eq!((listed[0].bytes, listed[0].last_at), (Some(0), None));
    assert_eq!(append(&log, &key, "z", 1).unwrap(), 6002);
}

#[test]
fn archiving_again_frees_what_was_hidden_before() {
    let made = Log::new();
    let (log, key) = (made.open(), samples::key("s"));
    for _ in 0..3 {
        append(&log, &key, "x", 1).unwrap();
    }
    // As a program leaves it that ended between the two steps.
    made.ask()
        .run::<u32>(&["HSET", &made.key("head:4:acme:s"), "mark", "2"]);
    assert_eq!(pages(&made, "s"), 3);
    assert_eq!(block_on(log.archive_before(&key, 2)).unwrap(), 0);
    assert_eq!(pages(&made, "s"), 1);
}

#[test]
fn what_is_erased_is_gone_and_counted_on() {
    let made = Log::new();
    let (log, key) = (made.open(), samples::key("s"));
    append(&log, &key, "a word that nobody says otherwise", 5).unwrap();
    block_on(log.erase(&key)).unwrap();
    assert_eq!(pages(&made, "s"), 0);
    assert_eq!(append(&log, &key, "y", 1).unwrap(), 6);
    let listed = block_on(log.list(key.tenant_id(), None, 1)).unwrap();
    assert!(listed[0].bounds.erased && listed[0].bounds.watermark == 5);
}

#[test]
fn an_append_that_was_dropped_does_not_land_after_an_erasure() {
    let made = Log::new();
    let (log, key) = (made.open(), samples::key("s"));
    for round in 1..=20 {
        let batch = samples::batch("dropped", 3);
        // Begun, and given up at once, though a busy machine may have done it by then: it goes on to its end (law C1).
        let _ = log.append_entries(&key, Expect::Any, &batch).now_or_never();
        block_on(log.erase(&key)).unwrap();
        let bounds = block_on(log.bounds(&key)).unwrap();
        assert_eq!((bounds.last, bounds.readable()), (round * 3, 0));
    }
}

#[test]
fn appends_of_one_thread_in_flight_land_in_the_order_of_the_calls() {
    let made = Log::new();
    let (log, key) = (made.open(), samples::key("s"));
    let batches: Vec<_> = (0..200)
        .map(|n| samples::batch(&n.to_string(), 1))
        .collect();
    let appends = batches
        .iter()
        .map(|batch| log.append_entries(&key, Expect::Any, batch));
    for (n, end) in (1..).zip(block_on(futures_util::future::join_all(appends))) {
        assert_eq!(end.unwrap(), n);
    }
    let expected: Vec<String> = (0..200).map(|n| format!("{n} 0")).collect();
    assert_eq!(texts(&log, &key), expected);
}

#[test]
fn a_page_in_the_middle_of_a_large_thread_is_found_without_sending_what_is_before() {
    let server = own();
    let made = Log::at(&server.url());
    let (log, key) = (made.open(), samples::key("s"));
    for _ in 0..40 {
        append(&log, &key, "x", 1000).unwrap();
    }
    let mut ask = made.ask();
    let mut sent = || -> u64 {
        let info: String = ask.run(&["INFO", "stats"]);
        let mut lines = info.lines();
        let line = lines.find_map(|line| line.strip_prefix("total_net_output_bytes:"));
        line.unwrap().parse().unwrap()
    };
    let before = sent();
    let page = block_on(log.read(&key, 30_000, 10)).unwrap();
    let bytes = sent() - before;
    let numbers: Vec<u64> = page.events.iter().map(|event| event.ordinal).collect();
    assert_eq!(numbers, (30_001..=30_010).collect::<Vec<u64>>());
    assert!(page.more);
    assert!(bytes < 200_000, "{bytes}");
}
