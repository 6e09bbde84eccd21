//! A leader that was cut off goes on for seconds as if it still led. A trial: how long it does is the server's to say, and
//! `sure/tests.rs` has what must hold however long that is.

use std::sync::Arc;
use std::thread;

use bus_log::{Expect, LogErrorKind, SessionLog, ThreadKey};
use bus_testkit::faults::{append, until_done};
use bus_testkit::{block_on, eventually, samples};

use super::cluster::{LONG, STREAM, cluster_apart, config, note, opened};
use crate::support::open;

#[test]
fn what_a_deposed_leader_does_not_know_is_not_taken_for_nothing() {
    let Some(cluster) = cluster_apart("what a deposed leader does not know") else {
        return;
    };
    let version = cluster.nodes()[0].version().unwrap();
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
                // Whoever reads is shown the past, as long as it answers.
                let shown = block_on(log.bounds(&erased));
                let is_past = shown.is_ok_and(|bounds| !bounds.erased || bounds.readable() > 0);
                let last = if n % 2 == 0 { 5 } else { 3 };
                let ((erased, archived), appended) = block_on(futures_util::future::join(
                    futures_util::future::join(
                        log.erase(&erased),
                        log.archive_before(&archived, u64::MAX),
                    ),
                    log.append_entries(&expected, Expect::Last(last), &batch),
                ));
                (
                    is_past,
                    erased,
                    archived,
                    appended.map_err(|error| error.kind()),
                )
            })
        })
        .collect();
    let asked: Vec<_> = asked
        .into_iter()
        .map(|asked| asked.join().unwrap())
        .collect();
    cluster.heal().unwrap();
    let (mut done, mut past) = (0, 0);
    for (n, (is_past, erased, archived, appended)) in asked.into_iter().enumerate() {
        past += usize::from(is_past);
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
    note(&format!(
        "NATS {version:?}: a leader that had been deposed showed the past to {past} of 8 who read; {done} of 16 changes through \
         it were done, for all"
    ));
}
