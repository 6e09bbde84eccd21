//! A leader that was stopped for a while goes on as if it still led, for a moment.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use bus_log::{Expect, LogErrorKind, SessionLog, ThreadKey};
use bus_testkit::{block_on, eventually, samples};

use super::cluster::{LONG, STREAM, cluster, config, opened};
use crate::support::{append, open, until_done};

#[test]
fn what_a_deposed_leader_does_not_know_is_not_taken_for_nothing() {
    let cluster = cluster();
    let version = cluster.nodes()[0].version().unwrap();
    if version < [2, 10, 0] {
        println!("SKIPPED: no pauses, of which NATS 2.9 loses what it had acknowledged");
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
    let at_leader = config(&leader.url()).with_timeout(Duration::from_secs(40));
    let at_leader = Arc::new(open(at_leader).unwrap());
    let others: Vec<String> = (0..3)
        .filter(|n| *n != leads)
        .map(|n| format!("127.0.0.1:{}", cluster.nodes()[n].port()))
        .collect();
    let others = open(config(&format!("nats://{}", others.join(",")))).unwrap();
    let key = |what: &str, n: usize| samples::key(&format!("{what} {n}"));
    let each = |work: &mut dyn FnMut(ThreadKey)| {
        (0..8)
            .flat_map(|n| ["erased", "archived", "expected"].map(|what| key(what, n)))
            .for_each(work);
    };
    // Some are new to the leader when it comes back, of the others it knows less than there is.
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
    leader.pause().unwrap();
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
    // What they ask first is with the system by then.
    thread::park_timeout(Duration::from_millis(300));
    leader.resume().unwrap();
    let mut done = 0;
    for (n, asked) in asked.into_iter().enumerate() {
        let (erased, archived, appended) = asked.join().unwrap();
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
