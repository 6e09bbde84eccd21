//! A primary that is lost, and a replica that takes its place.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bus_log::{LogErrorKind, LogWriter, LogWriterConfig, SessionLog};
use bus_testkit::faults::{Writer, append, let_write};
use bus_testkit::{block_on, eventually, samples};
use local_servers::{Redis, ScratchRedis};

use crate::support::{Ask, Log, open, own};

pub(super) fn replica_of(primary: &Redis) -> ScratchRedis {
    let parent = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let replica = ScratchRedis::start_as(parent, |server| {
        server.follow(primary);
        Ok(())
    })
    .unwrap();
    let mut ask = Ask::connect(&replica.url());
    let follows = || {
        ask.run::<String>(&["INFO", "replication"])
            .contains("master_link_status:up")
    };
    assert!(
        eventually(Duration::from_secs(30), follows),
        "the replica follows"
    );
    // The primary sends it nothing before it has heard of it once more.
    let mut ask = Ask::connect(&primary.url());
    let hears = || {
        ask.run::<u32>(&["PUBLISH", "any", "word"]);
        ask.run::<u32>(&["WAIT", "1", "100"]) >= 1
    };
    assert!(
        eventually(Duration::from_secs(30), hears),
        "the primary hears of it"
    );
    replica
}

fn both(primary: &Redis, replica: &Redis) -> String {
    let (old, new) = (primary.port(), replica.port());
    let url = primary.url();
    url.replace(&format!(":{old}/"), &format!(":{old},127.0.0.1:{new}/"))
}

#[test]
fn a_log_goes_on_at_the_new_primary_with_nothing_lost_that_a_replica_had() {
    let mut primary = own();
    let replica = replica_of(&primary);
    let made = Log::at(&primary.url());
    let config = made.config_at(&both(&primary, &replica)).with_replicas(1);
    let config = config.with_call_timeout(Duration::from_secs(3));
    let log = Arc::new(open(config).unwrap());

    // The replica itself takes no writes, and says so.
    let refused = open(made.config_at(&replica.url())).unwrap_err();
    assert_eq!(refused.kind(), LogErrorKind::Unavailable);
    assert!(
        refused.to_string().contains("read-only replica"),
        "{refused}"
    );
    // But it can be read from, once it has the log.
    let found = || open(made.config_at(&replica.url()).read_only()).is_ok();
    assert!(eventually(Duration::from_secs(10), found));
    let reader = open(made.config_at(&replica.url()).read_only()).unwrap();
    let refused = append(&reader, &samples::key("s"), "x", 1).unwrap_err();
    assert_eq!(refused.kind(), LogErrorKind::Unsupported);
    let key = samples::key("waited for");
    std::thread::scope(|scope| {
        let deadline = Instant::now() + Duration::from_secs(30);
        let (reader, key) = (&reader, &key);
        let waits = scope.spawn(move || block_on(reader.changed(key, 0, deadline)));
        append(&*log, key, "x", 1).unwrap();
        assert_eq!(waits.join().unwrap().unwrap(), 1);
    });
    drop(reader);

    let writers = ["a", "b"].map(|name| Writer::start(&log, name));
    let_write(&writers, 20);
    primary.kill().unwrap();
    Ask::connect(&replica.url()).run::<()>(&["REPLICAOF", "NO", "ONE"]);
    // It has no replica of its own: no append is acknowledged before it is told to do without.
    let replica_url = replica.url();
    let alone = replica_of(&replica);
    let_write(&writers, 20);
    let mut met = 0;
    for writer in writers {
        let (batches, errors) = writer.finish(&log);
        println!("failed over to {replica_url}: {batches} batches, {errors} errors met, none lost");
        met += errors;
    }
    assert!(met > 0, "the loss was noticed");
    // The old primary comes back and knows nothing of it: what it took would be lost, and its ordinals are given already.
    primary.start().unwrap();
    let places = [primary.port(), replica.port()].map(|port| format!("127.0.0.1:{port}"));
    let names_both = |error: &dyn std::fmt::Display| {
        let words = error.to_string();
        places.iter().all(|place| words.contains(place))
    };
    let urls = [both(&primary, &replica), both(&replica, &primary)];
    for url in &urls {
        let refused = open(made.config_at(url)).unwrap_err();
        assert_eq!(refused.kind(), LogErrorKind::Unavailable);
        assert!(names_both(&refused), "{refused}");
    }
    let key = samples::key("after");
    Ask::connect(&replica_url).run::<u32>(&["CLIENT", "KILL", "TYPE", "normal"]);
    let refused = || append(&*log, &key, "x", 1).is_err_and(|error| names_both(&error));
    assert!(
        eventually(Duration::from_secs(20), refused),
        "nor does an open log choose"
    );
    primary.stop().unwrap();
    let goes_on = || append(&*log, &key, "x", 1).is_ok();
    assert!(eventually(Duration::from_secs(20), goes_on), "it goes on");
    drop(alone);
}

#[test]
fn a_sink_that_finds_its_own_events_again_still_waits_for_their_replica() {
    let server = own();
    let replica = replica_of(&server);
    let made = Log::at(&server.url());
    let config = made
        .config()
        .with_replicas(1)
        .with_call_timeout(Duration::from_secs(2));
    let log = Arc::new(open(config).unwrap());
    let (other, key) = (open(made.config()).unwrap(), samples::key("s"));
    let writing = LogWriterConfig::default().with_retry_for(Duration::from_secs(180));
    let shared: Arc<dyn SessionLog> = Arc::<bus_log_redis::RedisSessionLog>::clone(&log);
    let writer = LogWriter::with_config(shared, writing);
    // One for both. A new one would ask for the bounds before it appends, and these wait for the replica: nothing would be
    // there to find.
    let sink = writer.sink(key.clone());
    let submit = |text: &str| {
        let entry = samples::entry(samples::text(text));
        sink.submit_begun(sink.begin(entry))
    };
    assert_eq!(submit("before").wait().unwrap(), Some(1));
    replica.pause().unwrap();
    let ticket = submit("x");
    let waits = std::thread::spawn(move || ticket.wait());
    // It is there, and has been appended again in vain, several times.
    let mut ask = made.ask();
    let there = || block_on(other.bounds(&key)).unwrap().last == 2;
    assert!(eventually(Duration::from_secs(20), there));
    let mut calls = || {
        let stats: String = ask.run(&["INFO", "commandstats"]);
        let line = stats
            .lines()
            .find_map(|line| line.strip_prefix("cmdstat_evalsha:calls="));
        let count = line.and_then(|line| line.split(',').next());
        count.map_or(0, |count| count.parse::<u32>().unwrap())
    };
    let before = calls();
    let again = || waits.is_finished() || calls() >= before + 3;
    assert!(eventually(Duration::from_secs(120), again));
    assert!(!waits.is_finished(), "no replica has it");
    replica.resume().unwrap();
    assert_eq!(waits.join().unwrap().unwrap(), Some(2));
    assert_eq!(block_on(log.load_since(&key, 0)).unwrap().len(), 2);
}

#[test]
fn an_append_without_its_replicas_is_unavailable_though_it_is_there() {
    let server = own();
    let made = Log::at(&server.url());
    let config = made
        .config()
        .with_replicas(1)
        .with_call_timeout(Duration::from_secs(2));
    let (log, key) = (open(config).unwrap(), samples::key("s"));
    let error = append(&log, &key, "x", 1).unwrap_err();
    assert_eq!(error.kind(), LogErrorKind::Unavailable);
    assert!(error.to_string().contains("0 of 1 replicas"), "{error}");
    assert_eq!(block_on(log.load_since(&key, 0)).unwrap().len(), 1);
    let replica = replica_of(&server);
    assert_eq!(append(&log, &key, "y", 1).unwrap(), 2);
    // It hangs: what it has not got is not acknowledged.
    replica.pause().unwrap();
    let error = append(&log, &key, "z", 1).unwrap_err();
    assert!(error.to_string().contains("0 of 1 replicas"), "{error}");
    replica.resume().unwrap();
    assert_eq!(append(&log, &key, "w", 1).unwrap(), 4);
}

#[test]
fn what_is_wrong_with_the_primary_is_told_and_not_that_the_other_is_a_replica() {
    let primary = own();
    let replica = replica_of(&primary);
    let made = Log::at(&primary.url());
    Ask::connect(&primary.url()).run::<()>(&["CONFIG", "SET", "appendfsync", "everysec"]);
    for url in [both(&primary, &replica), both(&replica, &primary)] {
        let refused = open(made.config_at(&url)).unwrap_err();
        assert_eq!(refused.kind(), LogErrorKind::Unsupported, "{refused:?}");
        let words = refused.to_string();
        assert!(words.contains("appendfsync everysec"), "{words}");
    }
}

#[test]
fn a_server_without_the_replicas_that_it_wants_itself_is_unavailable() {
    let server = own();
    let made = Log::at(&server.url());
    let (log, key) = (open(made.config()).unwrap(), samples::key("s"));
    made.ask()
        .run::<()>(&["CONFIG", "SET", "min-replicas-to-write", "1"]);
    let error = append(&log, &key, "x", 1).unwrap_err();
    assert_eq!(error.kind(), LogErrorKind::Unavailable);
    assert!(
        error.to_string().contains("min-replicas-to-write"),
        "{error}"
    );
    made.ask()
        .run::<()>(&["CONFIG", "SET", "min-replicas-to-write", "0"]);
    assert_eq!(append(&log, &key, "x", 1).unwrap(), 1);
}

#[test]
fn sentinels_name_the_primary_and_the_one_after_it() {
    let mut primary = own();
    let replica = replica_of(&primary);
    let parent = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let sentinel = ScratchRedis::start_as(parent, |server| {
        server.watch_over(&primary);
        Ok(())
    })
    .unwrap();
    let password = primary.url().split(['@', ':']).nth(2).unwrap().to_owned();
    let place = format!("127.0.0.1:1,127.0.0.1:{}", sentinel.port());
    let url = format!("redis://:{password}@{place}/0?sentinel=main&sentinel_password={password}");
    let made = Log::at(&primary.url());
    let log = Arc::new(open(made.config_at(&url)).unwrap());
    let unknown = open(made.config_at(&url.replace("=main", "=other"))).unwrap_err();
    assert_eq!(unknown.kind(), LogErrorKind::Unavailable, "{unknown:?}");

    let key = samples::key("s");
    append(&*log, &key, "before", 1).unwrap();
    let mut ask = Ask::connect(&sentinel.url());
    let knows = || {
        let replicas: Vec<redis::Value> = ask.run(&["SENTINEL", "REPLICAS", "main"]);
        replicas.len() == 1
    };
    assert!(
        eventually(Duration::from_secs(30), knows),
        "the sentinel knows the replica"
    );
    primary.kill().unwrap();
    let goes_on = || append(&*log, &key, "after", 1).is_ok();
    assert!(
        eventually(Duration::from_secs(60), goes_on),
        "the log goes on at the replica"
    );
    let mut ask = Ask::connect(&replica.url());
    assert!(
        ask.run::<String>(&["INFO", "replication"])
            .contains("role:master")
    );
    assert!(block_on(log.load_since(&key, 0)).unwrap().len() >= 2);
}
