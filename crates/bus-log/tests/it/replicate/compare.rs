//! Comparisons of logs.

use bus_log::{Expect, Replication, SessionLog, compare};
use bus_testkit::samples;

use super::{append, logs};
use crate::support::{Call, HolesLog, HookedLog, LONG, MovingLog, block_on, key};

#[test]
fn a_log_and_its_copy_are_level_also_while_they_move() {
    let (from, to) = logs();
    for log in [&from, &to] {
        append(log, &key("s"), &samples::batch("b", 5));
    }
    let moving = MovingLog::new(vec![from.clone(), to.clone()]);
    for compared in [
        block_on(compare(&moving, &to, &key("s"))).unwrap(),
        block_on(compare(&to, &moving, &key("s"))).unwrap(),
    ] {
        assert!(compared.is_level(), "{compared:?}");
        assert_eq!(
            (compared.only_source(), compared.only_target()),
            (None, None)
        );
        assert_eq!(compared.same, compared.until);
    }
    // One that is not followed is not.
    let alone = MovingLog::new(vec![from]);
    let compared = block_on(compare(&alone, &to, &key("s"))).unwrap();
    assert!(compared.is_level(), "it had no more at the beginning");
    let compared = block_on(compare(&alone, &to, &key("s"))).unwrap();
    assert!(!compared.is_level() && compared.has_moved(), "{compared:?}");
    assert!(compared.only_source().is_some());
}

#[test]
fn compare_says_what_only_one_side_has() {
    let (a, b) = logs();
    append(&a, &key("s"), &samples::batch("b", 1200));
    append(&b, &key("s"), &samples::batch("b", 1000));
    block_on(b.archive_before(&key("s"), 100)).unwrap();
    let compared = block_on(compare(&a, &b, &key("s"))).unwrap();
    assert_eq!((compared.same, compared.differs_at), (900, None));
    assert_eq!(compared.only_source(), Some(1001..=1200));
    assert_eq!(compared.only_target(), None);
    assert!(!compared.is_level());
    block_on(Replication::new(a.clone(), b.clone()).all()).unwrap();
    assert!(block_on(compare(&a, &b, &key("s"))).unwrap().is_level());
}

#[test]
fn a_comparison_ends_also_where_all_that_it_compares_is_hidden_meanwhile() {
    let (a, b) = logs();
    for log in [&a, &b] {
        append(log, &key("s"), &samples::batch("b", 10));
    }
    let hooked = HookedLog::new(a.clone());
    let both = [a, b.clone()];
    hooked.hook(move |call| {
        let both = both.clone();
        let reads = matches!(call, Call::ReadRaw(_));
        Box::pin(async move {
            for log in both.iter().filter(|_| reads) {
                if log.bounds(&key("s")).await?.watermark == 0 {
                    let more = samples::batch("more", 5);
                    log.append_entries(&key("s"), Expect::Any, &more).await?;
                    log.archive_before(&key("s"), 10).await?;
                }
            }
            Ok(())
        })
    });
    let (told, ended) = std::sync::mpsc::channel();
    // One that goes round for ever is left behind.
    std::thread::spawn(move || told.send(block_on(compare(&hooked, &*b, &key("s")))));
    let compared = ended.recv_timeout(LONG).expect("it ends").unwrap();
    assert_eq!((compared.same, compared.differs_at), (0, None));
}

#[test]
fn a_comparison_during_a_copy_never_finds_the_target_ahead() {
    let (from, to) = logs();
    append(&from, &key("s"), &samples::batch("b", 3));
    block_on(Replication::new(from.clone(), to.clone()).all()).unwrap();
    let [source, target] = [&from, &to].map(|log| HookedLog::new(log.clone()));
    for hooked in [&source, &target] {
        let (from, to) = (from.clone(), to.clone());
        hooked.hook(move |call| {
            let (from, to) = (from.clone(), to.clone());
            let asks = matches!(call, Call::Bounds);
            Box::pin(async move {
                if asks {
                    let more = samples::batch("more", 1);
                    from.append_entries(&key("s"), Expect::Any, &more).await?;
                    let copied = Replication::new(from, to).thread(&key("s")).await;
                    copied.unwrap();
                }
                Ok(())
            })
        });
    }
    let compared = block_on(compare(&source, &target, &key("s"))).unwrap();
    assert_eq!(compared.only_target(), None);
    assert_eq!((compared.same, compared.differs_at), (compared.until, None));
}

#[test]
fn a_copy_that_has_lost_events_is_not_the_same() {
    for (lost, differs_at) in [
        (1..=3, 1),
        (5..=7, 5),
        (9..=10, 9),
        (1..=10, 1),
        (600..=1100, 600),
    ] {
        let (a, b) = logs();
        for log in [&a, &b] {
            append(log, &key("s"), &samples::batch("b", 1200));
        }
        let holes = || HolesLog {
            log: b.clone(),
            lost: lost.clone(),
        };
        for compared in [
            block_on(compare(&*a, &holes(), &key("s"))).unwrap(),
            block_on(compare(&holes(), &*a, &key("s"))).unwrap(),
            block_on(compare(&holes(), &holes(), &key("s"))).unwrap(),
        ] {
            assert_eq!(compared.differs_at, Some(differs_at), "{compared:?}");
            assert!(!compared.is_level());
        }
        // Archived it is no loss.
        block_on(b.archive_before(&key("s"), *lost.end())).unwrap();
        let compared = block_on(compare(&*a, &holes(), &key("s"))).unwrap();
        assert!(compared.is_level(), "{compared:?}");
        assert_eq!(compared.same, 1200 - lost.end());
    }
}
