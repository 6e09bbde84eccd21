//! Servers that are cut off from each other while both sides write one thread.

use std::sync::Arc;

use bus_testkit::faults::rounds;
use bus_testkit::{eventually, samples};

use super::cluster::{LONG, STREAM, cluster_apart, config, opened};
use super::crowd::{Member, finish, let_them_write};
use crate::support::open;

#[test]
fn sides_that_are_cut_off_from_each_other_give_no_ordinal_twice() {
    let Some(cluster) = cluster_apart("sides that are cut off from each other") else {
        return;
    };
    let version = cluster.nodes()[0].version().unwrap();
    drop(opened(&cluster));
    let key = samples::key("s");
    let members: Vec<Member> = cluster
        .nodes()
        .iter()
        .enumerate()
        .map(|(n, node)| {
            let mut log = None;
            let is_open = || {
                log = open(config(&node.url())).ok();
                log.is_some()
            };
            assert!(eventually(LONG, is_open));
            Member::start(&Arc::new(log.unwrap()), &key, &format!("w{n}"))
        })
        .collect();
    let all: Vec<&Member> = members.iter().collect();
    let_them_write(&all, 3);
    for round in 0..rounds(3) {
        let mut leads = 0;
        let knows = || {
            cluster.leader(STREAM).is_some_and(|leader| {
                leads = leader;
                true
            })
        };
        assert!(eventually(LONG, knows), "somebody leads");
        // The leader, or one that only follows.
        let off = (leads + round as usize % 2) % 3;
        cluster.cut(&[off]).unwrap();
        let majority: Vec<&Member> = (0..3).filter(|n| *n != off).map(|n| all[n]).collect();
        // What was under way when it was cut off has come to an end by the second error.
        let alone = all[off];
        let errors = alone.errors();
        assert!(
            eventually(LONG, || alone.errors() >= errors + 2),
            "it is alone"
        );
        let acknowledged = alone.acknowledged();
        let_them_write(&majority, 10);
        assert!(eventually(LONG, || alone.errors() >= errors + 4));
        assert_eq!(
            alone.acknowledged(),
            acknowledged,
            "a minority confirms nothing"
        );
        cluster.heal().unwrap();
        let_them_write(&all, 3);
    }
    drop(all);
    let what = format!("NATS {version:?}, cut off {} times", rounds(3));
    finish(members, &what, &opened(&cluster), &key);
}
