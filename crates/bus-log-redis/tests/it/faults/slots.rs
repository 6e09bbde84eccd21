//! Nodes of a cluster that take each other's place, or leave it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use bus_log::{LogErrorKind, SessionLog, ThreadKey};
use bus_testkit::faults::{Writer, append, let_write, rounds};
use bus_testkit::{block_on, eventually, samples};

use crate::support::{Ask, Cluster, Log, open};

/// Of many threads one that a node has.
fn thread_at(cluster: &Cluster, node: usize, log: &dyn SessionLog) -> ThreadKey {
    let mut ask = cluster.ask(node);
    let keys = (0..200).map(|n| samples::key(&format!("w{n}")));
    let mut here = keys.filter(|key| {
        append(log, key, "before", 1).unwrap();
        let head = format!("*:head:4:acme:{}", key.thread_id());
        !ask.run::<Vec<String>>(&["KEYS", &head]).is_empty()
    });
    here.next().unwrap()
}

#[test]
fn a_node_that_is_taken_out_of_the_cluster_takes_no_thread_along() {
    // The third has little: the slot of part 1, and those around it.
    let few = (9842, 9900);
    let cluster = Cluster::start_with(&[
        vec![(0, 8191)],
        vec![(8192, few.0 - 1), (few.1 + 1, 16383)],
        vec![few],
    ]);
    // Without its last slot it would be a replica of whoever took that.
    let stays = ["CONFIG", "SET", "cluster-allow-replica-migration", "no"];
    cluster.ask(2).run::<()>(&stays);
    let made = Log::at(&cluster.url());
    let log = open(made.config()).unwrap();
    let key = thread_at(&cluster, 2, &log);
    for slot in few.0..=few.1 {
        cluster.migrate(u16::try_from(slot).unwrap(), 2, 0);
    }
    // The log has had no reason to hear of it.
    let left = cluster.id(2);
    cluster.ask(2).run::<()>(&["CLUSTER", "RESET"]);
    for node in [0, 1] {
        cluster.ask(node).run::<()>(&["CLUSTER", "FORGET", &left]);
    }
    let goes_on = || match append(&log, &key, "after", 1) {
        Ok(last) => {
            assert_eq!(last, 2);
            true
        }
        Err(error) => {
            assert_eq!(error.kind(), LogErrorKind::Unavailable, "{error:?}");
            false
        }
    };
    assert!(eventually(Duration::from_secs(20), goes_on), "it goes on");
    // Who comes new and knows only the one that left is told so.
    let alone = open(made.config_at(&cluster.0[2].url())).unwrap_err();
    assert_eq!(alone.kind(), LogErrorKind::Unavailable, "{alone:?}");
    // Of several hosts one that is in the cluster is enough.
    let (gone, there) = (cluster.0[2].port(), cluster.0[0].port());
    let both = cluster.0[2].url();
    let both = both.replace(&format!(":{gone}/"), &format!(":{gone},127.0.0.1:{there}/"));
    let opened = || open(made.config_at(&both)).is_ok();
    assert!(eventually(Duration::from_secs(20), opened));
}

/// Two threads that one node has, and the slot of the first, in which the second is not.
fn two_at(ask: &mut Ask, log: &dyn SessionLog) -> (ThreadKey, u16, ThreadKey) {
    let mut slot_of = |key: &ThreadKey| {
        append(log, key, "before", 1).unwrap();
        let head = format!("*:head:4:acme:{}", key.thread_id());
        let head: Vec<String> = ask.run(&["KEYS", &head]);
        Some(ask.run::<u16>(&["CLUSTER", "KEYSLOT", head.first()?]))
    };
    let keys = (0..60).map(|n| samples::key(&format!("t{n}")));
    let here = keys.filter_map(|key| Some((slot_of(&key)?, key)));
    let mut here: Vec<_> = here.collect();
    let (slot, lost) = here.remove(0);
    let stays = here.into_iter().find(|(other, _)| *other != slot);
    (lost, slot, stays.unwrap().1)
}

#[test]
fn a_slot_that_nobody_serves_costs_the_other_threads_of_its_node_nothing() {
    let cluster = Cluster::start(2);
    for node in [0, 1] {
        // Otherwise all of it would be down.
        let goes_on = ["CONFIG", "SET", "cluster-require-full-coverage", "no"];
        cluster.ask(node).run::<()>(&goes_on);
    }
    let made = Log::at(&cluster.url());
    let log = Arc::new(open(made.config()).unwrap());
    let mut ask = cluster.ask(0);
    let (lost, slot, stays) = two_at(&mut ask, &*log);
    let (written, done) = (AtomicU64::new(1), AtomicBool::new(false));
    thread::scope(|scope| {
        let writing = scope.spawn(|| {
            while !done.load(Ordering::SeqCst) {
                let end = append(&*log, &stays, "x", 1).unwrap();
                written.store(end, Ordering::SeqCst);
            }
        });
        let goes_on = || {
            let before = written.load(Ordering::SeqCst);
            let more = || written.load(Ordering::SeqCst) > before + 3 || writing.is_finished();
            assert!(eventually(Duration::from_secs(20), more));
        };
        goes_on();
        ask.run::<()>(&["CLUSTER", "DELSLOTS", &slot.to_string()]);
        for _ in 0..100 {
            let error = append(&*log, &lost, "x", 1).unwrap_err();
            assert_eq!(error.kind(), LogErrorKind::Unavailable, "{error:?}");
        }
        goes_on();
        done.store(true, Ordering::SeqCst);
    });
    ask.run::<()>(&["CLUSTER", "ADDSLOTS", &slot.to_string()]);
    let is_back = || append(&*log, &lost, "after", 1).is_ok();
    assert!(eventually(Duration::from_secs(20), is_back));
}

#[test]
fn a_slot_that_nobody_serves_holds_up_no_other_thread_while_the_other_node_hangs() {
    let cluster = Cluster::start(2);
    for node in [0, 1] {
        let mut ask = cluster.ask(node);
        ask.run::<()>(&["CONFIG", "SET", "cluster-require-full-coverage", "no"]);
        ask.run::<()>(&["CONFIG", "SET", "cluster-node-timeout", "60000"]);
    }
    let made = Log::at(&cluster.url());
    let config = made.config().with_connect_timeout(Duration::from_secs(3));
    let log = open(config).unwrap();
    let mut ask = cluster.ask(0);
    let (lost, slot, stays) = two_at(&mut ask, &log);
    cluster.0[1].pause().unwrap();
    ask.run::<()>(&["CLUSTER", "DELSLOTS", &slot.to_string()]);
    let (over, mut slowest) = (AtomicBool::new(false), Duration::ZERO);
    thread::scope(|scope| {
        let trying = scope.spawn(|| {
            let mut tries = 0;
            while !over.load(Ordering::SeqCst) {
                let error = append(&log, &lost, "x", 1).unwrap_err();
                assert_eq!(error.kind(), LogErrorKind::Unavailable, "{error:?}");
                tries += 1;
            }
            tries
        });
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_secs(6) {
            let begun = Instant::now();
            append(&log, &stays, "y", 1).unwrap();
            slowest = slowest.max(begun.elapsed());
        }
        over.store(true, Ordering::SeqCst);
        assert!(trying.join().unwrap() > 0);
    });
    // Whoever asks the other node waits for it a second, twice.
    assert!(
        slowest < Duration::from_millis(1500),
        "one took {slowest:?}"
    );
    cluster.0[1].resume().unwrap();
}

#[test]
fn a_cluster_s_log_has_one_connection_to_each_node() {
    let cluster = Cluster::start(2);
    let made = Log::at(&cluster.url());
    // The second is a name by which the nodes do not know each other.
    for url in [
        cluster.url(),
        cluster.url().replace("127.0.0.1", "localhost"),
    ] {
        let log = open(made.config_at(&url)).unwrap();
        for n in 0..12 {
            append(&log, &samples::key(&format!("w{n}")), "x", 1).unwrap();
        }
        for node in [0, 1] {
            let mut ask = cluster.ask(node);
            let mut found = 0;
            let is_one = eventually(Duration::from_secs(10), || {
                let clients: String = ask.run(&["CLIENT", "LIST", "TYPE", "normal"]);
                // Beside the one that asks.
                found = clients.lines().filter(|line| !line.is_empty()).count() - 1;
                found == 1
            });
            assert!(is_one, "{found} at node {node} by {url}");
        }
    }
}

#[test]
fn a_slot_that_no_node_knows_of_costs_each_call_no_new_connection_for_calls() {
    let cluster = Cluster::start(2);
    for node in [0, 1] {
        let goes_on = ["CONFIG", "SET", "cluster-require-full-coverage", "no"];
        cluster.ask(node).run::<()>(&goes_on);
    }
    let made = Log::at(&cluster.url());
    let log = open(made.config()).unwrap();
    let mut ask = cluster.ask(0);
    let (lost, slot, stays) = two_at(&mut ask, &log);
    for node in [0, 1] {
        let forget = ["CLUSTER", "DELSLOTS", &slot.to_string()];
        cluster.ask(node).run::<()>(&forget);
    }
    let loads = || {
        let at = |node| {
            let stats: String = cluster.ask(node).run(&["INFO", "commandstats"]);
            let line = stats
                .lines()
                .find_map(|line| line.strip_prefix("cmdstat_script|load:calls="));
            let count = line.and_then(|line| line.split(',').next());
            count.map_or(0, |count| count.parse::<u32>().unwrap())
        };
        at(0) + at(1)
    };
    let fail = || append(&log, &lost, "x", 1).unwrap_err();
    fail();
    let before = loads();
    for _ in 0..20 {
        assert_eq!(fail().kind(), LogErrorKind::Unavailable);
    }
    assert_eq!(loads(), before);
    append(&log, &stays, "y", 1).unwrap();
    // Once a node has it again, so has the log.
    ask.run::<()>(&["CLUSTER", "ADDSLOTS", &slot.to_string()]);
    let is_back = || append(&log, &lost, "after", 1).is_ok();
    assert!(eventually(Duration::from_secs(20), is_back));
}

#[test]
fn a_cluster_s_failover_there_and_back_under_writers_loses_nothing() {
    let mut cluster = Cluster::start(3);
    let replica = cluster.add_replica(0);
    let made = Log::at(&cluster.url());
    let log = Arc::new(open(made.config()).unwrap());
    let names: Vec<String> = (0..8).map(|n| format!("w{n}")).collect();
    let writers: Vec<Writer> = names.iter().map(|name| Writer::start(&log, name)).collect();
    for _ in 0..rounds(1) {
        for node in [replica, 0] {
            let_write(&writers, 3);
            cluster.fail_over_to(node);
            let_write(&writers, 3);
        }
    }
    let mut met = 0;
    for writer in writers {
        let (batches, errors) = writer.finish(&log);
        assert!(batches > 0);
        met += errors;
    }
    println!("failed over there and back under 8 writers, {met} errors met, none lost");
}

#[test]
fn a_node_that_was_a_replica_when_it_was_met_is_met_again_as_a_primary() {
    let mut cluster = Cluster::start(3);
    let replica = cluster.add_replica(0);
    let made = Log::at(&cluster.0[1].url());
    let config = made.config().with_poll_interval(Duration::from_millis(100));
    let log = open(config).unwrap();
    let key = thread_at(&cluster, 0, &log);
    let mut ask = cluster.ask(0);
    cluster.fail_over_to(replica);
    // The log notices that its node takes no writes any more, and lets go of it.
    let alone = || {
        let clients: String = ask.run(&["CLIENT", "LIST", "TYPE", "normal"]);
        clients.lines().filter(|line| !line.is_empty()).count() == 1
    };
    assert!(eventually(Duration::from_secs(20), alone));
    // It asks there once more, as nobody has told it otherwise.
    let refused = append(&log, &key, "x", 1).unwrap_err();
    assert_eq!(refused.kind(), LogErrorKind::Unavailable, "{refused:?}");
    cluster.fail_over_to(0);
    let goes_on = || append(&log, &key, "after", 1).is_ok();
    assert!(eventually(Duration::from_secs(20), goes_on), "it goes on");
    assert_eq!(block_on(log.load_since(&key, 0)).unwrap().len(), 2);
}

#[test]
fn a_log_is_opened_while_its_record_is_on_the_way_to_another_node() {
    let cluster = Cluster::start(2);
    let made = Log::at(&cluster.url());
    // Not of the part that is on the way: its keys would be in two places, for which the server has no answer.
    let key = samples::key("other");
    append(&open(made.config()).unwrap(), &key, "x", 1).unwrap();
    // Where the slot of part 0 is.
    let slot = 13907;
    cluster.begin_to_move(slot, 1, 0);
    cluster.move_key(&made.key("log"), 1, 0);
    let log = open(made.config()).unwrap();
    assert_eq!(block_on(log.bounds(&key)).unwrap().last, 1);
    drop(log);
    cluster.migrate(slot, 1, 0);
    assert_eq!(
        append(&open(made.config()).unwrap(), &key, "y", 1).unwrap(),
        2
    );
}
