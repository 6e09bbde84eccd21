//! A server whose append-only file is not there yet.

use std::path::Path;
use std::time::{Duration, Instant};

use bus_log::{LogErrorKind, Result};
use bus_log_redis::RedisSessionLog;
use bus_testkit::faults::append;
use bus_testkit::{eventually, samples};
use local_servers::ScratchRedis;

use crate::support::{Ask, Log, open, own};

/// Opens a log with so much time to connect.
fn open_within(made: &Log, limit: Duration) -> Result<RedisSessionLog> {
    open(made.config().with_connect_timeout(limit))
}

fn is_refused_for_its_file(made: &Log) {
    // It says `aof_enabled:1`, and would come back empty.
    // Time enough to be told, also by a machine that has much to do, and less than the file takes.
    let refused = open_within(made, Duration::from_secs(4)).unwrap_err();
    assert_eq!(refused.kind(), LogErrorKind::Unavailable, "{refused:?}");
    let words = refused.to_string();
    assert!(words.contains("first append-only file"), "{words}");
}

#[test]
fn a_server_that_is_still_writing_its_append_only_file_is_waited_for_a_while() {
    let parent = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let server = ScratchRedis::start_as(parent, |server| {
        server.set("appendonly", "no");
        Ok(())
    })
    .unwrap();
    let made = Log::at(&server.url());
    let mut ask = made.ask();
    ask.run::<()>(&["SET", "something", "slow to write"]);
    // Microseconds for each key.
    ask.run::<()>(&["CONFIG", "SET", "rdb-key-save-delay", "12000000"]);
    ask.run::<()>(&["CONFIG", "SET", "appendonly", "yes"]);
    is_refused_for_its_file(&made);
    // Who asks for less has it.
    drop(open(made.config_at(&format!("{}?durability=memory", server.url()))).unwrap());
    let begun = Instant::now();
    let log = open_within(&made, Duration::from_secs(60)).unwrap();
    assert!(begun.elapsed() < Duration::from_secs(40));
    append(&log, &samples::key("s"), "x", 1).unwrap();
}

#[test]
fn a_replica_that_is_promoted_while_it_writes_its_copy_is_refused_until_that_is_done() {
    let parent = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let (primary, mut replica) = (own(), ScratchRedis::start(parent).unwrap());
    // It has a file from before, of nothing that matters.
    Ask::connect(&replica.url()).run::<()>(&["SET", "something", "old"]);
    replica.stop().unwrap();
    replica.start().unwrap();
    let mut ask = Ask::connect(&replica.url());
    ask.run::<()>(&["CONFIG", "SET", "rdb-key-save-delay", "12000000"]);
    Ask::connect(&primary.url()).run::<()>(&["SET", "something", "new"]);
    let port = primary.port().to_string();
    ask.run::<()>(&["REPLICAOF", "127.0.0.1", &port]);
    let is_level = || {
        ask.run::<String>(&["INFO", "replication"])
            .contains("master_link_status:up")
    };
    assert!(eventually(Duration::from_secs(30), is_level));
    ask.run::<()>(&["REPLICAOF", "NO", "ONE"]);
    let info: String = ask.run(&["INFO", "persistence"]);
    assert!(!info.contains("aof_base_size:0"), "{info}");
    assert!(info.contains("aof_rewrite_in_progress:1"), "{info}");
    let made = Log::at(&replica.url());
    is_refused_for_its_file(&made);
    drop(open_within(&made, Duration::from_secs(60)).unwrap());
}

#[test]
fn a_log_goes_on_and_is_opened_while_the_file_is_rewritten() {
    let parent = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let server = ScratchRedis::start(parent).unwrap();
    let made = Log::at(&server.url());
    let config = made.config().with_poll_interval(Duration::from_millis(100));
    let log = open(config).unwrap();
    let mut ask = made.ask();
    append(&log, &samples::key("s"), "x", 1).unwrap();
    let rewrites = || {
        let info: String = made.ask().run(&["INFO", "persistence"]);
        info.contains("aof_rewrite_in_progress:1") || info.contains("aof_rewrite_scheduled:1")
    };
    // Before it has done so once, a server does not say whether it has a file.
    ask.run::<()>(&["BGREWRITEAOF"]);
    assert!(eventually(Duration::from_secs(60), || !rewrites()));
    ask.run::<()>(&["CONFIG", "SET", "rdb-key-save-delay", "500000"]);
    ask.run::<()>(&["BGREWRITEAOF"]);
    let mut during = 0;
    while rewrites() {
        append(&log, &samples::key("s"), "y", 1).unwrap();
        drop(open(made.config()).unwrap());
        during += 1;
    }
    assert!(during > 0);
}
