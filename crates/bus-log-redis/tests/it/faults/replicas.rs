//! What counts as done where replicas are to have it.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use bus_log::{
    Expect, InMemorySessionLog, LogErrorKind, LogWriter, LogWriterConfig, SessionLog,
    ShippingConfig, ShippingLog,
};
use bus_log_redis::{RedisConfig, RedisSessionLog};
use bus_testkit::faults::append;
use bus_testkit::{block_on, eventually, samples};
use local_servers::ScratchRedis;

use super::failover::replica_of;
use crate::support::{Ask, Cluster, Log, open, own};

#[test]
fn a_shipper_keeps_what_no_replica_has() {
    let server = own();
    let replica = replica_of(&server);
    let made = Log::at(&server.url());
    let config = made
        .config()
        .with_replicas(1)
        .with_call_timeout(Duration::from_secs(2));
    let remote = Arc::new(open(config).unwrap());
    let local = Arc::new(InMemorySessionLog::new());
    let shipping = ShippingConfig::default()
        .with_keep(Some(0))
        .with_look_every(Duration::from_millis(200))
        .with_longest_pause(Duration::from_millis(100));
    let here: Arc<dyn SessionLog> = Arc::<InMemorySessionLog>::clone(&local);
    let log = ShippingLog::with_config(here, remote, shipping).unwrap();
    let key = samples::key("s");
    append(&log, &key, "before", 1).unwrap();
    block_on(log.flush(Instant::now() + Duration::from_secs(30))).unwrap();
    let given_back = |until| block_on(local.bounds(&key)).unwrap().watermark == until;
    assert!(eventually(Duration::from_secs(30), || given_back(1)));
    replica.pause().unwrap();
    append(&log, &key, "x", 2).unwrap();
    let reader = open(made.config()).unwrap();
    let there = || block_on(reader.bounds(&key)).unwrap().last == 3;
    assert!(eventually(Duration::from_secs(20), there));
    // It has had the time to look whether its own append is there, again and again.
    let flushed = block_on(log.flush(Instant::now() + Duration::from_secs(4)));
    assert_eq!(flushed.unwrap_err().kind(), LogErrorKind::Unavailable);
    assert!(given_back(1), "the only sure copy stays");
    replica.resume().unwrap();
    block_on(log.flush(Instant::now() + Duration::from_secs(30))).unwrap();
    assert!(eventually(Duration::from_secs(30), || given_back(3)));
}

#[test]
fn bounds_and_what_writes_nothing_tell_only_what_the_replicas_have() {
    let server = own();
    let replica = replica_of(&server);
    let made = Log::at(&server.url());
    let config = made
        .config()
        .with_replicas(1)
        .with_call_timeout(Duration::from_secs(2));
    let log = open(config).unwrap();
    let key = samples::key("s");
    append(&log, &key, "x", 2).unwrap();
    assert_eq!(block_on(log.bounds(&key)).unwrap().last, 2);
    replica.pause().unwrap();
    // Another writer's, which does not wait.
    append(&open(made.config()).unwrap(), &key, "y", 1).unwrap();
    let none = || block_on(log.append_entries(&key, Expect::Any, &[]));
    let told = [
        block_on(log.bounds(&key)).map(|bounds| bounds.last),
        none(),
        block_on(log.append_entries(&key, Expect::Last(1), &samples::batch("z", 1))),
    ];
    for told in told {
        let error = told.unwrap_err();
        assert_eq!(error.kind(), LogErrorKind::Unavailable, "{error:?}");
        assert!(error.to_string().contains("0 of 1 replicas"), "{error}");
    }
    // Who only reads, or follows, is not held up.
    let soon = Instant::now() + Duration::from_secs(20);
    assert_eq!(block_on(log.changed(&key, 2, soon)).unwrap(), 3);
    assert_eq!(block_on(log.load_since(&key, 0)).unwrap().len(), 3);
    let reader = open(made.config().with_replicas(1).read_only()).unwrap();
    assert_eq!(block_on(reader.bounds(&key)).unwrap().last, 3);
    replica.resume().unwrap();
    let again = || block_on(log.bounds(&key)).is_ok_and(|bounds| bounds.last == 3);
    assert!(eventually(Duration::from_secs(20), again));
    assert_eq!(none().unwrap(), 3);
}

#[test]
fn what_waits_for_replicas_goes_on_at_a_server_that_forgot_the_scripts() {
    let (_server, _replica, made, log) = with_a_replica();
    let key = samples::key("s");
    append(&*log, &key, "x", 3).unwrap();
    block_on(log.archive_before(&key, 1)).unwrap();
    let mut ask = made.ask();
    let mut forget = || ask.run::<()>(&["SCRIPT", "FLUSH"]);
    forget();
    assert_eq!(block_on(log.bounds(&key)).unwrap().last, 3);
    forget();
    let batch = samples::batch("z", 1);
    let error = block_on(log.append_entries(&key, Expect::Last(1), &batch)).unwrap_err();
    assert_eq!(error.kind(), LogErrorKind::Conflict, "{error:?}");
    assert_eq!(error.actual(), Some(3));
    forget();
    let none = block_on(log.append_entries(&key, Expect::Any, &[]));
    assert_eq!(none.unwrap(), 3);
    forget();
    assert_eq!(block_on(log.archive_before(&key, 1)).unwrap(), 0);
}

#[test]
fn a_cluster_s_log_is_made_only_once_the_replicas_have_all_its_parts() {
    let mut cluster = Cluster::start(2);
    let replicas = [0, 1].map(|node| cluster.add_replica(node));
    let made = Log::at(&cluster.url());
    let config = made
        .config()
        .with_replicas(1)
        .with_call_timeout(Duration::from_secs(4));
    // Not the one of the node that has the part by which a log is looked for.
    cluster.0[replicas[0]].pause().unwrap();
    let error = open(config.clone()).unwrap_err();
    assert_eq!(error.kind(), LogErrorKind::Unavailable, "{error:?}");
    assert!(error.to_string().contains("0 of 1 replicas"), "{error}");
    let found = block_on(RedisSessionLog::open_existing(config.clone())).unwrap();
    assert!(found.is_none(), "it is not taken for whole");
    cluster.0[replicas[0]].resume().unwrap();
    let opened = || open(config.clone()).is_ok();
    assert!(eventually(Duration::from_secs(30), opened));
    // So it is there also after both nodes are lost right then.
    for (node, replica) in replicas.into_iter().enumerate() {
        cluster.0[node].kill().unwrap();
        let mut ask = cluster.ask(replica);
        let taken = || {
            // Nobody votes: half of the nodes that could are gone.
            let _ = ask.try_run::<()>(&["CLUSTER", "FAILOVER", "TAKEOVER"]);
            let info: String = ask.run(&["INFO", "replication"]);
            info.contains("role:master")
        };
        assert!(eventually(Duration::from_secs(30), taken));
    }
    let there = config_of_one(&cluster, replicas[0], &made);
    let log = || open(there.clone());
    assert!(eventually(Duration::from_secs(30), || log().is_ok()));
    let log = log().unwrap();
    for n in 0..40 {
        let key = samples::key(&format!("w{n}"));
        let appended = || append(&log, &key, "x", 1).is_ok();
        assert!(eventually(Duration::from_secs(30), appended));
    }
}

/// A log's configuration by a node of its cluster.
fn config_of_one(cluster: &Cluster, node: usize, made: &Log) -> RedisConfig {
    made.config_at(&cluster.0[node].url()).without_creation()
}

/// A primary with a replica, and a log that waits for it.
fn with_a_replica() -> (ScratchRedis, ScratchRedis, Log, Arc<dyn SessionLog>) {
    let server = own();
    let replica = replica_of(&server);
    let made = Log::at(&server.url());
    let config = made.config().with_replicas(1);
    let log = Arc::new(open(config.with_call_timeout(Duration::from_secs(20))).unwrap());
    (server, replica, made, log)
}

/// Makes the primary a replica as soon as somebody waits for its own: what it has will be gone.
fn demote(server: &ScratchRedis, replica: &ScratchRedis) {
    let mut ask = Ask::connect(&server.url());
    let waits = || {
        let clients: String = ask.run(&["CLIENT", "LIST"]);
        let mut clients = clients.lines();
        clients.any(|client| client.contains("flags=b") && client.contains("cmd=wait"))
    };
    assert!(eventually(Duration::from_secs(20), waits));
    let port = replica.port().to_string();
    ask.run::<()>(&["REPLICAOF", "127.0.0.1", &port]);
}

#[test]
fn an_append_that_waits_at_a_primary_that_is_demoted_is_unavailable() {
    let (server, replica, _made, log) = with_a_replica();
    let key = samples::key("s");
    append(&*log, &key, "before", 1).unwrap();
    replica.pause().unwrap();
    let waits = thread::spawn({
        let (log, key) = (Arc::clone(&log), key.clone());
        move || append(&*log, &key, "x", 1)
    });
    demote(&server, &replica);
    let error = waits.join().unwrap().unwrap_err();
    assert_eq!(error.kind(), LogErrorKind::Unavailable, "{error:?}");
    // The old primary has it still, and is not asked.
    let error = block_on(log.bounds(&key)).unwrap_err();
    assert_eq!(error.kind(), LogErrorKind::Unavailable, "{error:?}");
}

#[test]
fn a_sink_does_not_take_what_it_finds_at_a_demoted_primary_for_done() {
    let (server, replica, _made, log) = with_a_replica();
    let writing = LogWriterConfig::default().with_retry_for(Duration::from_secs(4));
    let writer = LogWriter::with_config(log, writing);
    let submit = |text: &str| {
        let entry = samples::entry(samples::text(text));
        let sink = writer.sink(samples::key("s"));
        sink.submit_begun(sink.begin(entry))
    };
    assert_eq!(submit("before").wait().unwrap(), Some(1));
    replica.pause().unwrap();
    let ticket = submit("x");
    let waits = thread::spawn(move || ticket.wait());
    demote(&server, &replica);
    let told = waits.join().unwrap();
    assert!(told.is_err(), "told {told:?}");
}
