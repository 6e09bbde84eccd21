//! The leader of a stream is killed, restarted or paused while several write one thread and others follow it.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use bus_testkit::faults::{append_for_sure, rounds, texts};
use bus_testkit::{eventually, samples};

use super::cluster::{
    LONG, STREAM, cluster, config, follow, is_whole, keeps_what_it_took, note, opened,
};
use super::crowd::{Member, finish, let_them_write};
use crate::support::open;

#[test]
fn a_leader_that_is_killed_restarted_or_paused_again_and_again_loses_and_doubles_nothing() {
    let mut cluster = cluster();
    let version = cluster.nodes()[0].version().unwrap();
    let may_pause = keeps_what_it_took(version);
    if !may_pause {
        note(&format!(
            "skipped: pauses of a leader in rotation on nats cluster: NATS {version:?} then loses what it had acknowledged"
        ));
    }
    let key = samples::key("s");
    let logs = [opened(&cluster), opened(&cluster), opened(&cluster)];
    let members: Vec<Member> = logs
        .iter()
        .enumerate()
        .map(|(n, log)| Member::start(log, &key, &format!("w{n}")))
        .collect();
    let follower = follow(&opened(&cluster), "s");
    let all: Vec<&Member> = members.iter().collect();
    let_them_write(&all, 3);
    let mut leads = 0;
    for round in 0..rounds(3) {
        let knows = || {
            cluster.leader(STREAM).is_some_and(|leader| {
                leads = leader;
                true
            })
        };
        assert!(eventually(LONG, knows), "somebody leads");
        match round % 3 {
            0 => {
                cluster.node(leads).kill().unwrap();
                let_them_write(&all, 3);
                cluster.node(leads).start().unwrap();
            }
            1 => {
                cluster.node(leads).stop().unwrap();
                let_them_write(&all, 3);
                cluster.node(leads).start().unwrap();
            }
            _ if may_pause => {
                cluster.node(leads).pause().unwrap();
                // Until another one leads, or not so long.
                if round % 2 == 0 {
                    let_them_write(&all, 1);
                } else {
                    thread::park_timeout(Duration::from_millis(fastrand::u64(100..3000)));
                }
                cluster.node(leads).resume().unwrap();
            }
            _ => {}
        }
        let_them_write(&all, 3);
        // One at a time: the next only once this one has all again.
        assert!(eventually(LONG, || is_whole(&cluster)), "it catches up");
    }
    drop(all);
    let what = format!("NATS {version:?}, leader changed {} times", rounds(3));
    let last = finish(members, &what, &opened(&cluster), &key);
    assert!(
        follower(last).into_iter().eq(1..=last),
        "the follower saw each once"
    );
}

#[test]
fn logs_that_are_opened_first_and_at_once_are_one_log() {
    let cluster = cluster();
    drop(opened(&cluster));
    let key = samples::key("s");
    for round in 0..rounds(5) {
        let logs: Vec<_> = thread::scope(|scope| {
            let opening: Vec<_> = cluster
                .nodes()
                .iter()
                .map(|node| {
                    let config = config(&node.url()).with_stream(format!("at_once_{round}"));
                    scope.spawn(move || {
                        let (config, mut log) = (config.unwrap(), None);
                        let is_open = || {
                            log = open(config.clone()).ok();
                            log.is_some()
                        };
                        assert!(eventually(LONG, is_open));
                        Arc::new(log.unwrap())
                    })
                })
                .collect();
            let opened = opening.into_iter().map(|opening| opening.join().unwrap());
            opened.collect()
        });
        for (n, log) in logs.iter().enumerate() {
            let batch = samples::batch(&format!("{n}"), 1);
            append_for_sure(log, &key, &batch, |_| {});
        }
        for log in &logs {
            let read = || texts(&**log, &key).len() == 3;
            assert!(eventually(LONG, read), "{round}");
        }
    }
}
