//! A server whose append-only file is not there yet.

use std::path::Path;
use std::time::Duration;

use bus_log::LogErrorKind;
use bus_testkit::{eventually, samples};
use local_servers::ScratchRedis;

use crate::support::{Log, append, open};

#[test]
fn a_server_that_is_still_writing_its_append_only_file_is_refused_until_it_is_done() {
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
    ask.run::<()>(&["CONFIG", "SET", "rdb-key-save-delay", "3000000"]);
    for words in [
        "its first append-only file",
        "rewriting its append-only file",
    ] {
        ask.run::<()>(&["CONFIG", "SET", "appendonly", "yes"]);
        // It says `aof_enabled:1`, and would come back empty.
        let refused = open(made.config()).unwrap_err();
        assert_eq!(refused.kind(), LogErrorKind::Unavailable, "{refused:?}");
        assert!(refused.to_string().contains(words), "{refused}");
        // Who asks for less has it.
        drop(open(made.config_at(&format!("{}?durability=memory", server.url()))).unwrap());
        let taken = || open(made.config()).is_ok();
        assert!(eventually(Duration::from_secs(60), taken), "it is done");
        ask.run::<()>(&["CONFIG", "SET", "appendonly", "no"]);
    }
}

#[test]
fn a_log_that_is_open_goes_on_while_the_file_is_rewritten() {
    let parent = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let server = ScratchRedis::start(parent).unwrap();
    let made = Log::at(&server.url());
    let config = made.config().with_poll_interval(Duration::from_millis(100));
    let log = open(config).unwrap();
    let mut ask = made.ask();
    ask.run::<()>(&["CONFIG", "SET", "rdb-key-save-delay", "500000"]);
    append(&log, &samples::key("s"), "x", 1).unwrap();
    ask.run::<()>(&["BGREWRITEAOF"]);
    let mut rewrites = || {
        let info: String = ask.run(&["INFO", "persistence"]);
        info.contains("aof_rewrite_in_progress:1") || info.contains("aof_rewrite_scheduled:1")
    };
    let mut during = 0;
    while rewrites() {
        append(&log, &samples::key("s"), "y", 1).unwrap();
        during += 1;
    }
    assert!(during > 0);
}
