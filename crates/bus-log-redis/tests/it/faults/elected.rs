//! A primary that is lost while many write and wait for its replica, which the servers themselves put in its place.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bus_log_redis::{RedisConfig, RedisSessionLog};
use bus_testkit::eventually;
use bus_testkit::faults::{Writer, let_write};
use local_servers::{Redis, ScratchRedis};

use super::failover::replica_of;
use crate::support::{Ask, Cluster, Log, open, own};

/// A log that waits for a replica, and writers of it.
fn writers(config: RedisConfig, count: u32) -> (Arc<RedisSessionLog>, Vec<Writer>) {
    let config = config
        .with_replicas(1)
        .with_call_timeout(Duration::from_secs(5));
    let log = Arc::new(open(config).unwrap());
    let names = (0..count).map(|n| format!("w{n}"));
    let writers = names.map(|name| Writer::start(&log, &name)).collect();
    (log, writers)
}

/// Ends them, checks that all that they wrote is there once, and says how many errors they met.
fn finish(log: &RedisSessionLog, writers: Vec<Writer>) {
    let mut met = 0;
    for writer in writers {
        let (batches, errors) = writer.finish(log);
        assert!(batches > 0);
        met += errors;
    }
    assert!(met > 0, "the loss was noticed");
    println!("another primary under writers, {met} errors met, none lost");
}

fn becomes_primary(server: &Redis) -> bool {
    eventually(Duration::from_secs(90), || {
        // Whoever makes it one cuts all connections to it.
        let info = Ask::connect(&server.url()).try_run::<String>(&["INFO", "replication"]);
        info.is_ok_and(|info| info.contains("role:master"))
    })
}

#[test]
fn a_killed_node_whose_replica_is_elected_under_writers_loses_nothing() {
    let mut cluster = Cluster::start(3);
    let replicas = [0, 1, 2].map(|node| cluster.add_replica(node));
    for node in 0..cluster.0.len() {
        let sooner = ["CONFIG", "SET", "cluster-node-timeout", "4000"];
        cluster.ask(node).run::<()>(&sooner);
    }
    let made = Log::at(&cluster.url());
    let (log, writers) = writers(made.config(), 8);
    let_write(&writers, 3);
    cluster.0[0].kill().unwrap();
    assert!(becomes_primary(&cluster.0[replicas[0]]));
    // Nothing is acknowledged there before the new one has a replica: the one that was lost, and now follows.
    cluster.0[0].start().unwrap();
    let_write(&writers, 3);
    finish(&log, writers);
}

#[test]
fn a_killed_primary_whose_replica_the_sentinels_choose_under_writers_loses_nothing() {
    let mut primary = own();
    let replica = replica_of(&primary);
    let parent = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let sentinels = [(); 3].map(|()| {
        let watching = |server: &mut Redis| {
            server.watch_over(&primary);
            Ok(())
        };
        ScratchRedis::start_as(parent, watching).unwrap()
    });
    for sentinel in &sentinels {
        let mut ask = Ask::connect(&sentinel.url());
        let mut known = |what: &str| {
            let known: Vec<redis::Value> = ask.run(&["SENTINEL", what, "main"]);
            known.len()
        };
        let all = || known("REPLICAS") == 1 && known("SENTINELS") == 2;
        assert!(eventually(Duration::from_secs(60), all));
    }
    let password = primary.url().split(['@', ':']).nth(2).unwrap().to_owned();
    let places = sentinels
        .each_ref()
        .map(|sentinel| format!("127.0.0.1:{}", sentinel.port()));
    let url = format!(
        "redis://:{password}@{}/0?sentinel=main&sentinel_password={password}",
        places.join(",")
    );
    let made = Log::at(&primary.url());
    let (log, writers) = writers(made.config_at(&url), 4);
    let_write(&writers, 5);
    primary.kill().unwrap();
    assert!(becomes_primary(&replica));
    // It comes back as a primary, and is made a replica of the one that took its place.
    primary.start().unwrap();
    let_write(&writers, 5);
    finish(&log, writers);
}
