//! Following a session: its log, then live, without a seam.

mod log_down;

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bus_testkit::{CountingLog, Fault, FaultyLog, block_on, eventually, samples};
use bus_tokio::{
    Event, Follow, Followed, InMemorySessionLog, LogErrorKind, LogWriter, LogWriterConfig, Message,
    Role, Session, SessionBus, SessionEvent, SessionLog, Stream, ThreadKey, Utc,
};
use tokio::time::timeout;

use crate::kit::{DEADLINE, durable, ephemeral, on_threads};

type Log = CountingLog<InMemorySessionLog>;

fn key() -> ThreadKey {
    samples::key("session-7")
}

fn bus_of(capacity: usize) -> (Arc<Log>, SessionBus) {
    let log = Arc::new(CountingLog::new(InMemorySessionLog::new()));
    let bus = SessionBus::new(capacity).with_log(log.clone(), key());
    (log, bus)
}

/// What a test sees of an item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Seen {
    Recorded(u64),
    Live(String),
    Gap(u64),
    Error(LogErrorKind),
    End,
}

use Seen::{End, Gap, Recorded};

fn live(number: usize) -> Seen {
    Seen::Live(number.to_string())
}

pub(crate) fn seen(item: Option<bus_tokio::Result<Followed>>) -> Seen {
    match item {
        Some(Ok(Followed::Recorded(event))) => Recorded(event.ordinal()),
        Some(Ok(Followed::Live(envelope))) => match envelope.event.as_session() {
            Some(SessionEvent::TextChunk(text)) => Seen::Live(text.clone()),
            _ => Seen::Live(envelope.event.event_type().into()),
        },
        Some(Ok(Followed::Gap { missed, .. })) => Gap(missed),
        Some(Ok(other)) => panic!("{other:?}"),
        Some(Err(error)) => Seen::Error(error.kind()),
        None => End,
    }
}

/// All that is there without waiting.
fn now(follow: &mut Follow) -> Vec<Seen> {
    let mut context = Context::from_waker(Waker::noop());
    let mut all = Vec::new();
    while let Poll::Ready(item) = Pin::new(&mut *follow).poll_next(&mut context) {
        all.push(seen(item));
        if all.last() == Some(&End) {
            break;
        }
    }
    all
}

/// The next `count` items.
async fn next(follow: &mut Follow, count: usize) -> Vec<Seen> {
    let mut all = Vec::new();
    for _ in 0..count {
        let item = timeout(DEADLINE, follow.next()).await;
        all.push(seen(item.unwrap_or_else(|_| panic!("only {all:?}"))));
    }
    all
}

#[tokio::test]
async fn the_log_comes_first_then_what_is_live_in_the_order_of_the_bus() {
    let (_log, bus) = bus_of(64);
    bus.emit(durable(1));
    bus.emit(durable(2));
    let mut follow = bus.follow(0).unwrap();
    bus.emit(ephemeral(10));
    bus.emit(durable(3));
    bus.emit(ephemeral(11));
    bus.audit_sink().record_resumed("c");
    bus.flush().await;
    let ordinals = (1..=4).map(Recorded).collect::<Vec<_>>();
    // The third and the fourth are in the log before it is read for the first time.
    assert_eq!(
        now(&mut follow),
        [&ordinals[..], &[live(10), live(11)]].concat()
    );
    assert_eq!(follow.cursor(), 4);
    bus.emit(ephemeral(12));
    bus.emit(durable(5));
    bus.emit(ephemeral(13));
    assert_eq!(now(&mut follow), [live(12), Recorded(5), live(13)]);
}

#[tokio::test]
async fn who_keeps_up_never_reads_the_log() {
    let (log, bus) = bus_of(64);
    bus.emit(durable(0));
    let mut follow = bus.follow(0).unwrap();
    assert_eq!(now(&mut follow), [Recorded(1)]);
    let reads = log.reads();
    for n in 2..2_000 {
        bus.emit(durable(0));
        bus.emit(ephemeral(0));
        let item = follow.next().await.unwrap().unwrap();
        assert_eq!(item.ordinal(), Some(n));
        assert_eq!(next(&mut follow, 1).await, [live(0)]);
    }
    assert_eq!(log.reads(), reads);
}

// Outside a runtime, whose budget ends a task's turn after 128 items.
#[test]
fn one_read_of_the_log_serves_many_who_begin_together_and_one_wait_all() {
    let (log, bus) = bus_of(64);
    bus.emit(durable(0));
    let mut screens: Vec<_> = (0..200).map(|_| bus.follow(0).unwrap()).collect();
    for screen in &mut screens {
        assert_eq!(now(screen), [Recorded(1)]);
    }
    assert_eq!((log.reads(), log.waits()), (1, 1));
    bus.emit(durable(0));
    for screen in &mut screens {
        assert_eq!(now(screen), [Recorded(2)]);
    }
    assert_eq!((log.reads(), log.waits()), (1, 1));
}

#[tokio::test]
async fn a_live_item_is_the_item_that_is_read_later() {
    let (_log, bus) = bus_of(64);
    let mut live = bus.follow(0).unwrap();
    assert_eq!(now(&mut live), []);
    bus.emit(durable(1));
    bus.audit_sink().record_agent_handoff(None, "planner");
    bus.flush().await;
    let mut read = bus.follow(0).unwrap();
    for _ in 0..2 {
        let live = live.next().await.unwrap().unwrap();
        let read = read.next().await.unwrap().unwrap();
        assert_eq!(live, read);
        let (Followed::Recorded(live), Followed::Recorded(read)) = (live, read) else {
            panic!("not recorded");
        };
        assert_eq!(live.into_recorded(), read.into_recorded());
    }
}

#[tokio::test]
async fn who_lags_gets_the_log_again_and_the_exact_number_of_what_was_only_live() {
    let (_log, bus) = bus_of(4);
    let mut follow = bus.follow(0).unwrap();
    assert_eq!(now(&mut follow), []);
    bus.emit(ephemeral(1));
    bus.emit(durable(1));
    bus.emit(ephemeral(2));
    bus.emit(durable(2));
    bus.emit(durable(3));
    bus.emit(ephemeral(3));
    bus.emit(ephemeral(4));
    bus.emit(durable(4));
    // Left on the ring: durable 3, ephemeral 3 and 4, durable 4.
    assert_eq!(
        now(&mut follow),
        [
            Gap(2),
            Recorded(1),
            Recorded(2),
            Recorded(3),
            live(3),
            live(4),
            Recorded(4),
        ]
    );
}

#[tokio::test]
async fn a_lag_of_ephemeral_events_only_does_not_read_the_log() {
    let (log, bus) = bus_of(4);
    let mut follow = bus.follow(0).unwrap();
    assert_eq!(now(&mut follow), []);
    let reads = log.reads();
    (0..10).for_each(|i| bus.emit(ephemeral(i)));
    assert_eq!(
        now(&mut follow),
        [Gap(6), live(6), live(7), live(8), live(9)]
    );
    assert_eq!(log.reads(), reads);
}

#[tokio::test]
async fn a_lag_before_the_first_envelope_is_counted_too() {
    let (_log, bus) = bus_of(2);
    bus.emit(ephemeral(0));
    let mut follow = bus.follow(0).unwrap();
    (1..6).for_each(|i| bus.emit(ephemeral(i)));
    assert_eq!(now(&mut follow), [Gap(3), live(4), live(5)]);
}

#[tokio::test]
async fn what_others_append_is_followed_as_well() {
    let (log, bus) = bus_of(64);
    let mut follow = bus.follow(0).unwrap();
    bus.emit(durable(1));
    assert_eq!(next(&mut follow, 1).await, [Recorded(1)]);

    let elsewhere = SessionBus::new(8).with_log(log.clone(), key());
    elsewhere.emit(durable(2));
    log.append(&key(), &[samples::text("direct")])
        .await
        .unwrap();
    assert_eq!(next(&mut follow, 2).await, [Recorded(2), Recorded(3)]);

    // One that comes between two of its own is found by the jump, without waiting.
    log.append(&key(), &[samples::text("direct")])
        .await
        .unwrap();
    bus.emit(durable(5));
    assert_eq!(now(&mut follow), [Recorded(4), Recorded(5)]);
}

#[tokio::test]
async fn what_others_append_is_followed_also_while_the_bus_is_never_quiet() {
    let (log, bus) = bus_of(1024);
    let mut follow = bus.follow(0).unwrap();
    assert_eq!(now(&mut follow), []);
    log.append(&key(), &[samples::text("direct")])
        .await
        .unwrap();
    let found = eventually(DEADLINE, || {
        // Never Pending for want of an envelope.
        (0..100).for_each(|i| bus.emit(ephemeral(i)));
        (0..90).any(|_| seen(block_on(follow.next())) == Recorded(1))
    });
    assert!(found);
}

/// A bus that gives up an event at once.
fn impatient(log: Arc<dyn SessionLog>) -> SessionBus {
    let config = LogWriterConfig::default().with_retry_for(Duration::ZERO);
    let writer = LogWriter::with_config(log, config);
    SessionBus::new(64).with_log_writer(&writer, key())
}

#[tokio::test]
async fn what_may_not_be_durable_is_seen_live_and_again_once_the_log_has_it() {
    let log = Arc::new(FaultyLog::new(InMemorySessionLog::new()));
    let bus = impatient(log.clone());
    let mut follow = bus.follow(0).unwrap();
    log.always(Fault::Refuse(LogErrorKind::Unavailable));
    bus.audit_sink().record_resumed("c");
    bus.publish(durable(1)).await.unwrap_err();
    // The record is seen early, and the event that was given up after it.
    let name = |n: &str| Seen::Live(n.into());
    assert_eq!(
        next(&mut follow, 2).await,
        [name("audit.resumed"), name("session.token_usage")]
    );
    log.heal();
    bus.flush().await;
    assert_eq!(next(&mut follow, 1).await, [Recorded(1)]);
    bus.emit(durable(2));
    assert_eq!(next(&mut follow, 1).await, [Recorded(2)]);
}

#[tokio::test]
async fn archived_ordinals_are_passed_over() {
    let (log, bus) = bus_of(4);
    (1..=3).for_each(|n| bus.emit(durable(n)));
    log.archive_before(&key(), 2).await.unwrap();
    let mut follow = bus.follow(0).unwrap();
    assert_eq!(now(&mut follow), [Recorded(3)]);
    // Archived while it lags.
    (4..=12).for_each(|n| bus.emit(durable(n)));
    bus.emit(ephemeral(1));
    log.archive_before(&key(), 10).await.unwrap();
    assert_eq!(now(&mut follow), [Recorded(11), Recorded(12), live(1)]);
    // All that is left.
    (13..=20).for_each(|n| bus.emit(durable(n)));
    bus.emit(ephemeral(2));
    log.archive_before(&key(), 20).await.unwrap();
    let rest = now(&mut follow);
    // What was still on the ring is given: it was recorded.
    assert!(rest.ends_with(&[live(2)]), "{rest:?}");
    assert_eq!(follow.cursor(), 20);
}

#[tokio::test]
async fn the_end_of_the_bus_is_the_end_behind_all_that_it_emitted() {
    let (log, bus) = bus_of(4);
    let mut follow = bus.follow(0).unwrap();
    assert_eq!(now(&mut follow), []);
    (1..=9).for_each(|n| bus.emit(durable(n)));
    bus.audit_sink().record_resumed("c");
    log.append(&key(), &[samples::text("direct")])
        .await
        .unwrap();
    drop(bus);
    let all = (1..=11).map(Recorded).chain([End]).collect::<Vec<_>>();
    assert_eq!(next(&mut follow, 12).await, all);
    assert_eq!(now(&mut follow), [End]);
}

#[tokio::test]
async fn who_follows_does_not_keep_the_writer_but_the_log() {
    let (log, bus) = bus_of(4);
    let follow = bus.follow(0).unwrap();
    bus.emit(durable(1));
    drop(bus);
    assert_eq!(log.log().bounds(&key()).await.unwrap().last, 1);
    assert!(Arc::strong_count(&log) > 1);
    drop(follow);
    assert_eq!(Arc::strong_count(&log), 1);
}

#[test]
fn a_bus_without_a_log_can_not_be_followed() {
    let error = SessionBus::new(4).follow(0).unwrap_err();
    assert_eq!(error.kind(), LogErrorKind::Unsupported);
}

#[tokio::test]
async fn the_followers_of_one_bus_follow_one_thread_and_other_ordinals_do_not_confuse_them() {
    let (log, bus) = bus_of(64);
    let other = bus.clone().with_log(log.clone(), samples::key("other"));
    let same = bus.clone().with_log(log.clone(), key());
    let mut follow = bus.follow(0).unwrap();
    let error = other.follow(0).unwrap_err();
    assert_eq!(error.kind(), LogErrorKind::Unsupported);
    other.emit(durable(1));
    other.emit(durable(2));
    same.emit(durable(3));
    let foreign = Seen::Live("session.token_usage".into());
    assert_eq!(
        now(&mut follow),
        [Recorded(1), foreign.clone(), foreign.clone()]
    );
    let mut twin = same.follow(1).unwrap();
    drop((follow, bus));
    other.follow(0).unwrap_err();
    same.emit(durable(4));
    assert_eq!(now(&mut twin), [Recorded(2)]);
    drop(twin);
    let mut follow = other.follow(1).unwrap();
    assert_eq!(now(&mut follow), [Recorded(2)]);
    same.emit(durable(5));
    other.emit(durable(6));
    assert_eq!(now(&mut follow), [foreign, Recorded(3)]);
}

#[tokio::test]
async fn handles_that_have_one_thread_of_one_log_each_by_itself_are_followed_as_one() {
    let log = Arc::new(InMemorySessionLog::new());
    let bus = SessionBus::new(64);
    let one = bus.clone().with_log(log.clone(), key());
    let two = bus.clone().with_log(log, key());
    let mut follow = one.follow(0).unwrap();
    let mut twin = two.follow(0).unwrap();
    two.emit(durable(1));
    one.emit(durable(2));
    for follow in [&mut follow, &mut twin] {
        assert_eq!(now(follow), [Recorded(1), Recorded(2)]);
    }
}

#[tokio::test]
async fn a_snapshot_has_its_messages_live_and_leaves_them_out_where_it_is_read() {
    let (_log, bus) = bus_of(64);
    let bus = bus.with_durability(bus_tokio::DurabilityPolicy::Everything);
    let mut live = bus.follow(0).unwrap();
    assert_eq!(now(&mut live), []);
    let mut session = Session::new("s", "agent", Utc::now());
    session.messages.push(Message::new(Role::User, Vec::new()));
    bus.emit(SessionEvent::SessionSync(Box::new(session)));
    let messages = |item: &Followed| match item.event() {
        Some(Event::Session(SessionEvent::SessionSync(session))) => session.messages.len(),
        other => panic!("{other:?}"),
    };
    let item = live.next().await.unwrap().unwrap();
    assert!(messages(&item) > 0);
    let read = bus.follow(0).unwrap().next().await.unwrap().unwrap();
    assert_eq!(messages(&read), 0);
    let (Followed::Recorded(live), Followed::Recorded(read)) = (item, read) else {
        panic!("not recorded");
    };
    assert_eq!(live.into_recorded(), read.into_recorded());
}

#[test]
fn under_any_executor_a_dropped_future_loses_nothing() {
    let (log, bus) = bus_of(8);
    let mut follow = bus.follow(0).unwrap();
    let mut ordinals = Vec::new();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for n in 0..300 {
                bus.emit(durable(n));
                bus.emit(ephemeral(n));
            }
        });
        while ordinals.len() < 300 {
            {
                let mut given_up = Box::pin(follow.next());
                let _ = given_up
                    .as_mut()
                    .poll(&mut Context::from_waker(Waker::noop()))
                    .map(|item| ordinals.extend(item.unwrap().unwrap().ordinal()));
            }
            if ordinals.len() < 300 {
                let item = block_on(follow.next()).unwrap().unwrap();
                ordinals.extend(item.ordinal());
            }
        }
    });
    assert_eq!(ordinals, (1..=300).collect::<Vec<_>>());
    assert!(log.reads() > 0);
}

#[test]
fn many_emitters_and_slow_followers_lose_nothing_recorded_and_count_the_rest() {
    let (log, bus) = bus_of(16);
    let (threads, each) = (4, 500);
    let runtime = bus_testkit::runtime();
    let followers: Vec<_> = (0..8)
        .map(|n| {
            let mut follow = bus.follow(0).unwrap();
            runtime.spawn(async move {
                let (mut ordinals, mut live, mut missed) = (Vec::new(), 0, 0);
                while let Some(item) = follow.next().await {
                    match item.unwrap() {
                        Followed::Recorded(event) => ordinals.push(event.ordinal()),
                        Followed::Live(_) => live += 1,
                        Followed::Gap { missed: more, .. } => missed += more,
                        _ => {}
                    }
                    if n % 2 == 0 {
                        tokio::task::yield_now().await;
                    }
                }
                (ordinals, live + missed)
            })
        })
        .collect();
    on_threads(threads, |_| {
        for i in 0..each {
            bus.emit(ephemeral(i));
            if i % 2 == 0 {
                bus.emit(durable(i));
            }
            if i % 50 == 0 {
                block_on(log.append(&key(), &[samples::text("direct")])).unwrap();
            }
        }
    });
    drop(bus);
    let last = block_on(log.bounds(&key())).unwrap().last;
    assert_eq!(last, (threads * (each / 2 + each / 50)) as u64);
    for follower in followers {
        let (ordinals, unrecorded) = runtime.block_on(follower).unwrap();
        assert_eq!(ordinals, (1..=last).collect::<Vec<_>>());
        assert_eq!(unrecorded, (threads * each) as u64);
    }
}
