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
    ask.run::<()>(&["CONFIG", "SET", "appendonly", "yes"]);
    // It says `aof_enabled:1`, and would come back empty.
    let refused = open(made.config()).unwrap_err();
    assert_eq!(refused.kind(), LogErrorKind::Unavailable, "{refused:?}");
    let words = refused.to_string();
    assert!(words.contains("its first append-only file"), "{words}");
    // Who asks for less has it.
    drop(open(made.config_at(&format!("{}?durability=memory", server.url()))).unwrap());
    let taken = || open(made.config()).is_ok();
    assert!(eventually(Duration::from_secs(60), taken), "it is done");
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
