//! A leader that was cut off goes on for seconds as if it still led.

use std::path::Path;
use std::sync::Arc;
use std::thread;

use bus_log::{Expect, LogErrorKind, SessionLog, ThreadKey};
use bus_testkit::{block_on, eventually, samples};
use local_servers::NatsCluster;

use super::cluster::{LONG, STREAM, config, opened};
use crate::support::{append, open, until_done};

#[test]
fn what_a_deposed_leader_does_not_know_is_not_taken_for_nothing() {
    let cluster = match NatsCluster::start_apart(Path::new(env!("CARGO_TARGET_TMPDIR")), 3) {
        Ok(cluster) => cluster,
        Err(error) => {
            println!("SKIPPED: no network of our own, so nobody is cut off: {error}");
            return;
        }
    };
    let version = cluster.nodes()[0].version().unwrap();
    if version < [2, 10, 0] {
        println!("SKIPPED: nobody is cut off, for NATS 2.9 then loses what it had acknowledged");
        return;
    }
    drop(opened(&cluster));
    let mut leads = 0;
    let knows = || {
        cluster.leader(STREAM).is_some_and(|leader| {
            leads = leader;
            true
        })
    };
    assert!(eventually(LONG, knows), "somebody leads");
    let leader = &cluster.nodes()[leads];
    let at_leader = Arc::new(open(config(&leader.url())).unwrap());
    let others = open(config(&cluster.nodes()[(leads + 1) % 3].url())).unwrap();
    let key = |what: &str, n: usize| samples::key(&format!("{what} {n}"));
    let each = |work: &mut dyn FnMut(ThreadKey)| {
        (0..8)
            .flat_map(|n| ["erased", "archived", "expected"].map(|what| key(what, n)))
            .for_each(work);
    };
    // Some are new to the leader that was, of the others it knows less than there is.
    each(&mut |key| {
        if key.thread_id().ends_with(['0', '2', '4', '6']) {
            until_done(&mut |_| {}, || append(&others, &key, "before", 2));
            block_on(at_leader.bounds(&key)).unwrap();
        }
    });
    for n in [1, 3] {
        until_done(&mut |_| {}, || {
            block_on(others.erase(&key("erased", n * 2)))
        });
    }
    cluster.cut(&[leads]).unwrap();
    each(&mut |key| {
        until_done(&mut |_| {}, || append(&others, &key, "after", 3));
    });
    let asked: Vec<_> = (0..8)
        .map(|n| {
            let log = Arc::clone(&at_leader);
            let (erased, archived, expected) =
                (key("erased", n), key("archived", n), key("expected", n));
            thread::spawn(move || {
                let batch = samples::batch("expected", 1);
                let last = if n % 2 == 0 { 5 } else { 3 };
                let ((erased, archived), appended) = block_on(futures_util::future::join(
                    futures_util::future::join(
                        log.erase(&erased),
                        log.archive_before(&archived, u64::MAX),
                    ),
                    log.append_entries(&expected, Expect::Last(last), &batch),
                ));
                (erased, archived, appended.map_err(|error| error.kind()))
            })
        })
        .collect();
    let asked: Vec<_> = asked
        .into_iter()
        .map(|asked| asked.join().unwrap())
        .collect();
    cluster.heal().unwrap();
    let mut done = 0;
    for (n, (erased, archived, appended)) in asked.into_iter().enumerate() {
        let last = if n % 2 == 0 { 5 } else { 3 };
        if erased.is_ok() {
            let bounds = until_done(&mut |_| {}, || block_on(others.bounds(&key("erased", n))));
            assert!(bounds.erased, "{n}");
            assert_eq!(bounds.readable(), 0, "{n}: erased, and can be read");
            done += 1;
        }
        if let Ok(newly) = archived {
            assert_eq!(newly, last, "{n}: how many were newly hidden");
            done += 1;
        }
        match appended {
            Ok(end) => assert_eq!(end, last as u64 + 1),
            Err(kind) => assert_eq!(kind, LogErrorKind::Unavailable, "{n}: it is the last"),
        }
    }
    println!(
        "NATS {version:?}: {done} of 16 were done through a leader that had been deposed, for all"
    );
}
