//! Many followers of one log: what each is given, and what the log is asked.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use bus_log::{
    Follower, Followers, InMemorySessionLog, LogErrorKind, LogWriter, SessionLog, Stream, follow,
    follow_raw,
};
use bus_testkit::{CountingLog, block_on, samples};
use futures_util::StreamExt;

use crate::support::{ScriptedLog, key, record, wait_until};

type Log = CountingLog<InMemorySessionLog>;

fn log() -> (Arc<Log>, Followers) {
    let log = Arc::new(CountingLog::new(InMemorySessionLog::new()));
    (log.clone(), Followers::new(log))
}

async fn append(log: &Log, count: usize) -> u64 {
    let events = vec![samples::text("x"); count];
    log.append(&key("s"), &events).await.unwrap()
}

/// The ordinals that are there without waiting.
fn now(follower: &mut Follower) -> Vec<u64> {
    let mut context = Context::from_waker(Waker::noop());
    let mut ordinals = Vec::new();
    while let Poll::Ready(item) = Pin::new(&mut *follower).poll_next(&mut context) {
        ordinals.push(item.unwrap().unwrap().ordinal);
    }
    ordinals
}

#[tokio::test]
async fn a_thousand_followers_of_one_thread_wait_and_read_as_one() {
    let (log, followers) = log();
    append(&log, 5).await;
    let mut all: Vec<_> = (0..1000).map(|_| followers.follow(&key("s"), 0)).collect();
    for follower in &mut all {
        assert_eq!(now(follower), [1, 2, 3, 4, 5]);
    }
    assert_eq!((log.reads(), log.waits()), (1, 1));
    for round in 1..=3 {
        let last = append(&log, 1).await;
        for follower in &mut all {
            assert_eq!(now(follower), [last]);
        }
        assert_eq!((log.reads(), log.waits()), (1 + round, 1 + round));
    }
}

#[test]
fn tasks_on_many_threads_share_one_wait() {
    let (log, followers) = log();
    let runtime = bus_testkit::runtime();
    let tasks: Vec<_> = (0..500)
        .map(|_| {
            let mut follower = followers.follow(&key("s"), 0);
            runtime.spawn(async move {
                let mut ordinals = Vec::new();
                while ordinals.last() != Some(&20) {
                    ordinals.push(follower.next().await.unwrap().unwrap().ordinal);
                }
                ordinals
            })
        })
        .collect();
    for _ in 0..20 {
        block_on(append(&log, 1));
    }
    for task in tasks {
        let got = runtime.block_on(task).unwrap();
        assert_eq!(got, (1..=20).collect::<Vec<_>>());
    }
    // One for each append and one more; some begin where others are between two.
    assert!(log.waits() <= 100, "{} waits", log.waits());
}

#[tokio::test]
async fn one_that_is_dropped_or_not_polled_any_more_holds_up_nobody() {
    let (log, followers) = log();
    append(&log, 1).await;
    let mut all: Vec<_> = (0..3).map(|_| followers.follow(&key("s"), 0)).collect();
    for follower in &mut all {
        assert_eq!(now(follower), [1]);
    }
    let mut third = all.pop().unwrap();
    // The first drove the wait; the second is never polled again.
    drop(all.remove(0));
    let waiting = tokio::spawn(async move { third.next().await });
    tokio::task::yield_now().await;
    append(&log, 1).await;
    let next = tokio::time::timeout(crate::support::LONG, waiting).await;
    assert_eq!(next.unwrap().unwrap().unwrap().unwrap().ordinal, 2);
}

#[tokio::test]
async fn followers_at_different_cursors_each_get_what_is_theirs() {
    let (log, followers) = log();
    append(&log, 3000).await;
    let cursors = [0, 1, 1024, 1500, 2999, 3000, 3005];
    let mut all = cursors.map(|cursor| followers.follow(&key("s"), cursor));
    for (follower, cursor) in all.iter_mut().zip(cursors) {
        assert_eq!(now(follower), (cursor + 1..=3000).collect::<Vec<_>>());
    }
    append(&log, 6).await;
    for (follower, cursor) in all.iter_mut().zip(cursors) {
        let first = cursor.max(3000) + 1;
        assert_eq!(now(follower), (first..=3006).collect::<Vec<_>>());
        assert_eq!(follower.cursor(), 3006);
    }
}

#[tokio::test]
async fn an_older_read_that_found_nothing_hides_nothing_from_one_who_knows_more() {
    let (log, followers) = log();
    let mut idle = followers.follow(&key("s"), 0);
    assert!(now(&mut idle).is_empty());
    append(&log, 2).await;
    let mut told = followers.follow(&key("s"), 0);
    told.catch_up(2);
    assert_eq!(now(&mut told), [1, 2]);
    assert_eq!(now(&mut idle), [1, 2]);
}

#[test]
fn a_look_that_began_before_does_not_count_as_looking_again() {
    let log = Arc::new(ScriptedLog::failing([]));
    let followers = Followers::new(log.clone());
    log.hold_reads();
    // Patient, as one that is asked for the last time, so that no news of it comes at once.
    let mut follower = followers.follow(&key("s"), 0).patient();
    assert!(now(&mut follower).is_empty());
    // The read under way has seen an empty thread, and its answer is on the way.
    block_on(log.append(&key("s"), &[record(1), record(2)])).unwrap();
    follower.look_again();
    log.open_gate();
    assert_eq!(now(&mut follower), [1, 2]);
}

/// A wait begins after what others have read on to, of which it would never tell.
#[tokio::test]
async fn one_that_begins_to_wait_where_others_have_been_is_told_all_the_same() {
    for patient in [false, true] {
        let (log, followers) = log();
        append(&log, 1).await;
        let mut behind = followers.follow(&key("s"), 0);
        if patient {
            behind = behind.patient();
        }
        // It has its page, and has yet to find out whether there is more.
        assert_eq!(behind.next().await.unwrap().unwrap().ordinal, 1);
        append(&log, 1).await;
        let mut ahead = followers.follow(&key("s"), 0);
        ahead.catch_up(2);
        ahead.look_again();
        assert_eq!(now(&mut ahead), [1, 2]);
        let next = tokio::time::timeout(crate::support::LONG, behind.next()).await;
        assert_eq!(next.unwrap().unwrap().unwrap().ordinal, 2);
    }
}

#[tokio::test]
async fn one_that_is_advanced_does_not_read_what_lies_before() {
    let (log, followers) = log();
    let mut follower = followers.follow(&key("s"), 0).patient();
    assert!(now(&mut follower).is_empty());
    assert!(follower.is_waiting());
    let reads = log.reads();
    let last = append(&log, 10).await;
    follower.advance(last);
    assert!(now(&mut follower).is_empty());
    wait_until("the patience is over", || {
        assert!(now(&mut follower).is_empty());
        log.waits() > 1
    });
    assert_eq!(log.reads(), reads);
    follower.advance(3);
    assert_eq!(follower.cursor(), 10, "it never goes back");
    append(&log, 1).await;
    assert_eq!(follower.next().await.unwrap().unwrap().ordinal, 11);
}

#[tokio::test]
async fn what_was_hidden_is_passed_over_by_all() {
    let (log, followers) = log();
    append(&log, 6).await;
    let mut all = [0, 3].map(|cursor| followers.follow(&key("s"), cursor));
    log.archive_before(&key("s"), 4).await.unwrap();
    for follower in &mut all {
        assert_eq!(now(follower), [5, 6]);
    }
    append(&log, 2).await;
    log.archive_before(&key("s"), 8).await.unwrap();
    for follower in &mut all {
        assert!(now(follower).is_empty());
        assert_eq!(follower.cursor(), 8);
    }
    append(&log, 1).await;
    for follower in &mut all {
        assert_eq!(now(follower), [9]);
    }
}

#[test]
fn one_that_begins_after_an_erasure_is_given_nothing_that_others_read_before() {
    let (log, followers) = log();
    block_on(append(&log, 5));
    let mut before = followers.follow(&key("s"), 0);
    assert_eq!(now(&mut before), [1, 2, 3, 4, 5]);
    block_on(log.erase(&key("s"))).unwrap();
    let mut after = followers.follow(&key("s"), 0);
    assert!(now(&mut after).is_empty(), "erased events were served");
    block_on(append(&log, 1));
    assert_eq!((now(&mut before), now(&mut after)), (vec![6], vec![6]));
}

#[test]
fn one_that_begins_after_an_erasure_does_not_join_a_read_under_way() {
    let log = Arc::new(ScriptedLog::failing([]));
    let followers = Followers::new(log.clone());
    block_on(log.append(&key("s"), &[record(1), record(2)])).unwrap();
    log.hold_reads();
    let mut before = followers.follow(&key("s"), 0);
    assert!(now(&mut before).is_empty());
    block_on(log.erase(&key("s"))).unwrap();
    let mut after = followers.follow(&key("s"), 0);
    log.open_gate();
    assert!(now(&mut after).is_empty(), "erased events were served");
}

#[test]
fn a_log_that_panics_fails_those_who_follow_it_then_and_nobody_later() {
    let log = Arc::new(ScriptedLog::failing([]));
    let followers = Followers::new(log.clone());
    let mut waiting = [0, 0].map(|_| followers.follow(&key("s"), 0));
    log.set_panicking(true);
    for follower in &mut waiting {
        let error = block_on(follower.next()).unwrap().unwrap_err();
        assert_eq!(error.kind(), LogErrorKind::Internal);
        assert!(block_on(follower.next()).is_none());
    }
    log.set_panicking(false);
    block_on(log.append(&key("s"), &[record(1)])).unwrap();
    let mut later = followers.follow(&key("s"), 0);
    assert_eq!(now(&mut later), [1]);
    // It waits for news now.
    log.set_panicking(true);
    let error = block_on(later.next()).unwrap().unwrap_err();
    assert_eq!(error.kind(), LogErrorKind::Internal);
}

#[tokio::test]
async fn a_failure_is_an_item_for_each_and_then_they_go_on() {
    let (log, followers) = log();
    append(&log, 1).await;
    let mut all = [0, 0, 1].map(|cursor| followers.follow(&key("s"), cursor));
    log.set_down(true);
    for follower in &mut all {
        let error = follower.next().await.unwrap().unwrap_err();
        assert_eq!(error.kind(), LogErrorKind::Unavailable);
    }
    log.set_down(false);
    append(&log, 1).await;
    for (follower, first) in all.iter_mut().zip([1, 1, 2]) {
        assert_eq!(follower.next().await.unwrap().unwrap().ordinal, first);
    }
}

#[test]
fn a_follower_outlives_the_runtime_in_which_it_began_to_wait() {
    let (log, followers) = log();
    let mut follower = followers.follow(&key("s"), 0);
    let mut other = followers.follow(&key("s"), 0);
    let runtime = bus_testkit::runtime();
    runtime.spawn(async move { other.next().await });
    wait_until("the wait has begun", || log.waits() == 1);
    drop(runtime);
    std::thread::scope(|scope| {
        let next = scope.spawn(|| block_on(follower.next()));
        block_on(append(&log, 1));
        assert_eq!(next.join().unwrap().unwrap().unwrap().ordinal, 1);
    });
}

#[tokio::test]
async fn the_plain_function_and_the_raw_one_give_the_same_ordinals() {
    let (log, followers) = log();
    append(&log, 4).await;
    let plain: Vec<_> = follow(log.clone(), key("s"), 1).take(3).collect().await;
    let raw: Vec<_> = follow_raw(log.clone(), key("s"), 1).take(3).collect().await;
    let shared: Vec<_> = followers.follow_raw(&key("s"), 1).take(3).collect().await;
    for ((plain, raw), shared) in plain.into_iter().zip(raw).zip(shared) {
        let (plain, raw, shared) = (plain.unwrap(), raw.unwrap(), shared.unwrap());
        assert_eq!(raw, *shared);
        assert_eq!(plain.ordinal, raw.ordinal);
        assert!(raw.event.as_custom().is_some());
    }
}

#[test]
fn writers_over_one_log_have_one_set_of_followers_which_outlives_them() {
    let (log, _) = log();
    let (one, two) = (LogWriter::new(log.clone()), LogWriter::new(log.clone()));
    let mut first = one.followers().follow(&key("s"), 0);
    let mut second = two.followers().follow(&key("s"), 0);
    drop((one, two));
    block_on(append(&log, 1));
    assert_eq!((now(&mut first), now(&mut second)), (vec![1], vec![1]));
    assert_eq!(log.reads(), 1);
}
