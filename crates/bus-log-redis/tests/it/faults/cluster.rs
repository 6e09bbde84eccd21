//! A cluster whose slots move, and whose nodes come and go.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use bus_log::{LogErrorKind, SessionLog};
use bus_testkit::faults::{Writer, append, let_write, rounds};
use bus_testkit::{block_on, eventually, samples};

use crate::support::{Ask, Cluster, Log, open};

#[test]
fn slots_that_move_under_writers_lose_nothing_and_double_nothing() {
    slots_move_under_writers(&Cluster::start(2), 0, rounds(2));
}

#[test]
fn slots_that_move_between_nodes_with_replicas_lose_nothing_and_double_nothing() {
    let mut cluster = Cluster::start(2);
    for node in [0, 1] {
        cluster.add_replica(node);
    }
    slots_move_under_writers(&cluster, 1, rounds(1));
}

fn slots_move_under_writers(cluster: &Cluster, replicas: u32, rounds: u32) {
    let made = Log::at(&cluster.url());
    let log = Arc::new(open(made.config().with_replicas(replicas)).unwrap());
    let names: Vec<String> = (0..8).map(|n| format!("w{n}")).collect();
    let writers: Vec<Writer> = names.iter().map(|name| Writer::start(&log, name)).collect();
    let mut ask = Ask::connect(&cluster.url());
    let slot =
        |ask: &mut Ask, part| -> u16 { ask.run(&["CLUSTER", "KEYSLOT", &format!("{{{part}}}")]) };
    let slots: Vec<u16> = (0..64).map(|part| slot(&mut ask, part)).collect();
    let mut moved = 0;
    for round in 0..rounds {
        // All one way, as nodes that take each other's slots at once may never agree.
        let (from, to) = if round % 2 == 0 { (0, 1) } else { (1, 0) };
        for slot in slots.iter().filter(|slot| round > 0 || **slot < 8192) {
            cluster.migrate(*slot, from, to);
            moved += 1;
        }
        let_write(&writers, 1);
    }
    let mut met = 0;
    for writer in writers {
        let (batches, errors) = writer.finish(&log);
        assert!(batches > 0);
        met += errors;
    }
    println!("{moved} slots moved under 8 writers, {met} errors met, none lost");
    assert_eq!(
        block_on(log.list(samples::key("x").tenant_id(), None, 99))
            .unwrap()
            .len(),
        8
    );
}

#[test]
fn a_node_that_is_killed_costs_its_threads_time_and_the_others_nothing() {
    let mut cluster = Cluster::start(3);
    let made = Log::at(&cluster.url());
    // Without its slots nothing would go: the cluster is told to go on with the others.
    for node in &cluster.0 {
        let mut ask = Ask::connect(&node.url());
        ask.run::<()>(&["CONFIG", "SET", "cluster-require-full-coverage", "no"]);
    }
    let log = Arc::new(open(made.config()).unwrap());
    let names: Vec<String> = (0..12).map(|n| format!("w{n}")).collect();
    // The last ordinal of each that was acknowledged.
    let mut lasts: HashMap<&String, u64> = HashMap::new();
    for name in &names {
        let last = append(&*log, &samples::key(name), "before", 1).unwrap();
        lasts.insert(name, last);
    }
    for _ in 0..rounds(2) {
        cluster.0[1].kill().unwrap();
        let mut there = 0;
        for name in &names {
            match append(&*log, &samples::key(name), "x", 1) {
                Ok(last) => {
                    there += 1;
                    lasts.insert(name, last);
                }
                Err(error) => assert_eq!(error.kind(), LogErrorKind::Unavailable, "{error:?}"),
            }
        }
        assert!(
            there > 0 && there < names.len(),
            "some threads are elsewhere: {there}"
        );
        cluster.0[1].start().unwrap();
        let all = || {
            names.iter().all(|name| {
                let appended = append(&*log, &samples::key(name), "y", 1);
                appended.is_ok_and(|last| {
                    assert!(last > lasts[name], "{name}: what was acknowledged is gone");
                    lasts.insert(name, last);
                    true
                })
            })
        };
        assert!(eventually(Duration::from_secs(60), all), "it goes on");
    }
    for name in &names {
        let key = samples::key(name);
        let last = block_on(log.bounds(&key)).unwrap().last;
        assert_eq!(last, lasts[name]);
        assert_eq!(
            block_on(log.load_since(&key, 0)).unwrap().len() as u64,
            last
        );
    }
}

#[test]
fn a_node_that_hangs_holds_up_no_thread_of_the_others() {
    let cluster = Cluster::start(3);
    let made = Log::at(&cluster.url());
    for node in &cluster.0 {
        let mut ask = Ask::connect(&node.url());
        ask.run::<()>(&["CONFIG", "SET", "cluster-require-full-coverage", "no"]);
        ask.run::<()>(&["CONFIG", "SET", "cluster-node-timeout", "60000"]);
    }
    let config = made
        .config()
        .with_call_timeout(Duration::from_millis(500))
        .with_connect_timeout(Duration::from_secs(3));
    let log = Arc::new(open(config).unwrap());
    let keys: Vec<_> = (0..24).map(|n| samples::key(&format!("w{n}"))).collect();
    for key in &keys {
        append(&*log, key, "before", 1).unwrap();
    }
    // The first node is the one that the URL names.
    cluster.0[0].pause().unwrap();
    let (elsewhere, hung): (Vec<_>, Vec<_>) = keys
        .iter()
        .cloned()
        .partition(|key| append(&*log, key, "x", 1).is_ok());
    assert!(!elsewhere.is_empty() && !hung.is_empty());
    let over = Arc::new(AtomicBool::new(false));
    let callers = hung.into_iter().take(3).map(|key| {
        let (log, over) = (Arc::clone(&log), Arc::clone(&over));
        std::thread::spawn(move || {
            let mut calls = 0;
            while !over.load(Ordering::SeqCst) {
                let error = append(&*log, &key, "x", 1).unwrap_err();
                assert_eq!(error.kind(), LogErrorKind::Unavailable, "{error:?}");
                calls += 1;
            }
            calls
        })
    });
    let callers: Vec<std::thread::JoinHandle<u32>> = callers.collect();
    let (begun, mut slowest) = (Instant::now(), Duration::ZERO);
    while begun.elapsed() < Duration::from_secs(8) {
        for key in &elsewhere {
            let begun = Instant::now();
            append(&*log, key, "y", 1).unwrap();
            slowest = slowest.max(begun.elapsed());
        }
    }
    over.store(true, Ordering::SeqCst);
    for caller in callers {
        assert!(caller.join().unwrap() > 0);
    }
    assert!(slowest < Duration::from_secs(1), "one took {slowest:?}");
    cluster.0[0].resume().unwrap();
    let all = || keys.iter().all(|key| append(&*log, key, "z", 1).is_ok());
    assert!(eventually(Duration::from_secs(30), all), "it goes on");
}

#[test]
fn a_node_that_comes_back_empty_is_no_place_to_go_on() {
    let cluster = Cluster::start(2);
    let made = Log::at(&cluster.url());
    let log = open(made.config()).unwrap();
    let names: Vec<String> = (0..12).map(|n| format!("w{n}")).collect();
    for name in &names {
        append(&log, &samples::key(name), "before", 2).unwrap();
    }
    Ask::connect(&cluster.0[1].url()).run::<()>(&["FLUSHALL"]);
    let mut refused = 0;
    for name in &names {
        match append(&log, &samples::key(name), "after", 1) {
            Ok(end) => assert_eq!(end, 3),
            Err(error) => {
                assert_eq!(error.kind(), LogErrorKind::Unavailable, "{error:?}");
                refused += 1;
            }
        }
    }
    assert!(refused > 0 && refused < names.len());
    // Whoever lists is told, and does not get the half that is there.
    let listed = block_on(log.list(samples::key("x").tenant_id(), None, 99));
    assert_eq!(listed.unwrap_err().kind(), LogErrorKind::Unavailable);
}
