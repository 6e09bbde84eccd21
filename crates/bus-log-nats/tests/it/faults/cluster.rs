//! Three servers that keep one stream together.

use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use bus_log::{LogErrorKind, SessionLog};
use bus_log_nats::{NatsConfig, NatsSessionLog};
use bus_testkit::faults::{Writer, append, let_write, rounds, texts};
use bus_testkit::{block_on, eventually, samples};
use local_servers::NatsCluster;

use crate::support::{Raw, open};

pub(crate) const LONG: Duration = Duration::from_secs(60);

/// The stream that is taken where none is named.
pub(super) const STREAM: &str = "bus_log";

/// Says on stderr itself what was found, or `skipped: …`: what a test prints, its runner keeps to itself.
pub(crate) fn note(line: &str) {
    // Where nobody listens there is nobody to tell.
    let _ = std::io::stderr().write_all(format!("{line}\n").as_bytes());
}

/// Whether servers of a version keep in a cluster what they acknowledged, while one of them stands still or is cut off.
pub(crate) fn keeps_what_it_took(version: [u32; 3]) -> bool {
    version >= [2, 10, 0]
}

/// Servers that can be cut off from each other; says so where they can't be, or must not be.
pub(super) fn cluster_apart(test: &str) -> Option<NatsCluster> {
    let cluster = match NatsCluster::start_apart(Path::new(env!("CARGO_TARGET_TMPDIR")), 3) {
        Ok(cluster) => cluster,
        Err(error) => {
            note(&format!(
                "skipped: {test} on nats cluster: no network of our own, so nobody is cut off: {error}"
            ));
            return None;
        }
    };
    let version = cluster.nodes()[0].version().unwrap();
    if !keeps_what_it_took(version) {
        note(&format!(
            "skipped: {test} on nats cluster: nobody is cut off, for NATS {version:?} then loses what it had acknowledged"
        ));
        return None;
    }
    Some(cluster)
}

pub(super) fn cluster() -> NatsCluster {
    NatsCluster::start(Path::new(env!("CARGO_TARGET_TMPDIR")), 3).unwrap()
}

pub(super) fn config(url: &str) -> NatsConfig {
    let config = NatsConfig::parse(url).unwrap();
    config
        .with_replicas(3)
        .unwrap()
        .with_call_timeout(Duration::from_secs(2))
}

/// Opens the log once the cluster has a leader.
pub(super) fn opened(cluster: &NatsCluster) -> Arc<NatsSessionLog> {
    let mut log = None;
    let is_open = || {
        log = open(config(&cluster.url())).ok();
        log.is_some()
    };
    assert!(
        eventually(LONG, is_open),
        "{:?}",
        open(config(&cluster.url())).err()
    );
    Arc::new(log.unwrap())
}

#[test]
fn any_one_of_three_that_is_killed_restarted_or_paused_loses_nothing_and_doubles_nothing() {
    let mut cluster = cluster();
    let version = cluster.nodes()[0].version().unwrap();
    let may_pause = keeps_what_it_took(version);
    if !may_pause {
        note(&format!(
            "skipped: pauses of any one of three on nats cluster: NATS {version:?} then loses what it had acknowledged"
        ));
    }
    let log = opened(&cluster);
    let others = opened(&cluster);
    let writers = [Writer::start(&log, "a"), Writer::start(&others, "b")];
    let follower = follow(&others, "a");
    let rounds = rounds(3);
    let_write(&writers, 3);
    for round in 0..rounds {
        // Each in turn, whether it leads or follows, and of three rounds each in another way.
        let n = round as usize % 3;
        match (round + round / 3) % 3 {
            1 => {
                cluster.node(n).stop().unwrap();
                let_write(&writers, 3);
                cluster.node(n).start().unwrap();
            }
            2 if may_pause => {
                cluster.node(n).pause().unwrap();
                let_write(&writers, 3);
                cluster.node(n).resume().unwrap();
            }
            _ => {
                cluster.node(n).kill().unwrap();
                let_write(&writers, 3);
                cluster.node(n).start().unwrap();
            }
        }
        let_write(&writers, 3);
        // One at a time: the next only once this one has all again.
        assert!(eventually(LONG, || is_whole(&cluster)), "it catches up");
    }
    for (writer, log) in writers.into_iter().zip([&log, &others]) {
        let (batches, errors) = writer.finish(log);
        println!(
            "one of three killed, restarted or paused, {rounds} times: {batches} batches, {errors} errors met, none lost"
        );
    }
    let last = block_on(log.bounds(&samples::key("a"))).unwrap().last;
    assert!(
        follower(last).into_iter().eq(1..=last),
        "the follower saw each once"
    );
}

/// Whether each of the servers has all of the stream.
pub(super) fn is_whole(cluster: &NatsCluster) -> bool {
    let soon = Duration::from_secs(5);
    let raw = Raw::connect(&cluster.url());
    let info = raw.try_call("STREAM.INFO.bus_log", "", soon);
    let info: serde_json::Value =
        serde_json::from_str(&info.unwrap_or_default()).unwrap_or_default();
    let replicas = info["cluster"]["replicas"]
        .as_array()
        .cloned()
        .unwrap_or_default();
    let is_current = |replica: &serde_json::Value| {
        replica["current"] == true && replica["lag"].as_u64().unwrap_or_default() == 0
    };
    replicas.len() == 2 && replicas.iter().all(is_current)
}

/// Follows a thread, whatever happens, until it has seen so many.
pub(super) fn follow(
    log: &Arc<NatsSessionLog>,
    thread: &str,
) -> impl FnOnce(u64) -> Vec<u64> + use<> {
    let (log, key) = (Arc::clone(log), samples::key(thread));
    let (sender, wanted) = std::sync::mpsc::channel::<u64>();
    let following = thread::spawn(move || {
        let (mut seen, mut end) = (Vec::new(), None);
        while end.is_none_or(|end| (seen.len() as u64) < end) {
            end = end.or_else(|| wanted.try_recv().ok());
            let last = seen.len() as u64;
            let deadline = std::time::Instant::now() + Duration::from_millis(300);
            // What fails is asked again, as `follow` does.
            if block_on(log.changed(&key, last, deadline)).is_ok()
                && let Ok(page) = block_on(log.read(&key, last, 1000))
            {
                seen.extend(page.events.into_iter().map(|event| event.ordinal));
            }
        }
        seen
    });
    move |end| {
        sender.send(end).unwrap();
        following.join().unwrap()
    }
}

#[test]
fn two_of_three_down_is_unavailable_and_passes() {
    let mut cluster = cluster();
    let log = opened(&cluster);
    let key = samples::key("s");
    let done = || append(&*log, &key, "before", 2).is_ok();
    assert!(eventually(LONG, done), "the cluster comes up");
    let before = texts(&*log, &key).len() as u64;
    let follower = follow(&log, "s");
    cluster.node(0).kill().unwrap();
    cluster.node(1).kill().unwrap();
    let error = append(&*log, &key, "down", 1).unwrap_err();
    assert_eq!(error.kind(), LogErrorKind::Unavailable, "{error:?}");
    cluster.node(0).start().unwrap();
    cluster.node(1).start().unwrap();
    let mut last = 0;
    let again = || {
        let appended = append(&*log, &key, "after", 1);
        last = appended.unwrap_or_default();
        last > 0
    };
    assert!(eventually(LONG, again), "writing goes on");
    let all = texts(&*log, &key);
    assert_eq!(all.len() as u64, last);
    assert!(last > before);
    assert!(follower(last).into_iter().eq(1..=last), "it goes on too");
    assert!(all.iter().filter(|text| *text == "down 0").count() <= 1);
}

#[test]
fn two_that_write_one_thread_through_different_servers_share_no_ordinal() {
    let cluster = cluster();
    drop(opened(&cluster));
    assert!(eventually(LONG, || is_whole(&cluster)), "it comes up");
    let key = samples::key("s");
    let ends: Vec<Vec<u64>> = thread::scope(|scope| {
        let writers: Vec<_> = cluster
            .nodes()
            .iter()
            .map(|node| {
                let (node, key) = (NatsConfig::parse(&node.url()).unwrap(), &key);
                scope.spawn(move || {
                    let log = open(node).unwrap();
                    (0..30)
                        .map(|n| append(&log, key, &format!("{n}"), 2).unwrap())
                        .collect::<Vec<_>>()
                })
            })
            .collect();
        writers
            .into_iter()
            .map(|writer| writer.join().unwrap())
            .collect()
    });
    let mut all: Vec<u64> = ends.concat();
    all.sort_unstable();
    assert!(
        all.into_iter().eq((1..=90).map(|n| n * 2)),
        "each batch has its own ordinals"
    );
    assert_eq!(texts(&*opened(&cluster), &key).len(), 180);
}
