//! The same with threads: bounded by counts, not by time.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bus_testkit::{CountingLog, Fault, FaultyLog, block_on, samples};
use bus_tokio::{
    Followed, InMemorySessionLog, LogErrorKind, LogWriter, LogWriterConfig, SessionBus, SessionLog,
};

use crate::kit::{durable, ephemeral, on_threads};

const EMITTERS: usize = 4;
const ROUNDS: usize = 400;

type Log = CountingLog<FaultyLog<InMemorySessionLog>>;

/// What a follower has seen of the log, and how much else.
#[derive(Default)]
struct Seen {
    ordinals: Vec<u64>,
    unrecorded: u64,
}

/// Follows until the bus is gone. A `restless` one goes away and comes back now and then.
async fn follow(bus: SessionBus, restless: Option<usize>, slow: bool) -> Seen {
    let mut seen = Seen::default();
    let mut follow = bus.follow(0).unwrap();
    // Whoever may come back must hold the bus; it lets go once all was emitted.
    let mut bus = Some(bus).filter(|_| restless.is_some());
    let mut items = 0;
    while let Some(item) = follow.next().await {
        items += 1;
        match item {
            Ok(Followed::Recorded(event)) => {
                seen.ordinals.push(event.ordinal());
                if matches!(event.event().event_type(), "acme.over") {
                    bus = None;
                }
            }
            Ok(Followed::Live(_)) => seen.unrecorded += 1,
            Ok(Followed::Gap { missed, .. }) => seen.unrecorded += missed,
            Ok(other) => panic!("{other:?}"),
            Err(error) => assert_eq!(error.kind(), LogErrorKind::Unavailable),
        }
        if let Some(bus) = &bus
            && restless.is_some_and(|every| items % every == 0)
        {
            follow = bus.follow(follow.cursor()).unwrap();
        }
        if slow {
            tokio::task::yield_now().await;
        }
    }
    seen
}

#[test]
fn many_threads_and_a_failing_log_lose_nothing_and_the_counts_are_exact() {
    let memory = InMemorySessionLog::new();
    let log: Arc<Log> = Arc::new(CountingLog::new(FaultyLog::new(memory)));
    let config = LogWriterConfig::default().with_retry_for(Duration::ZERO);
    let writer = LogWriter::with_config(log.clone(), config);
    let bus = SessionBus::new(16).with_log_writer(&writer, samples::key("stress"));
    drop(writer);
    let runtime = bus_testkit::runtime();
    let steady: Vec<_> = (0..4)
        .map(|n| runtime.spawn(follow(bus.clone(), None, n % 2 == 0)))
        .collect();
    let restless: Vec<_> = (0..4)
        .map(|n| runtime.spawn(follow(bus.clone(), Some(7 + 30 * n), n % 2 == 0)))
        .collect();
    // Those that count must all be there before the first event.
    while bus.subscriber_count() < 8 {
        std::thread::yield_now();
    }

    let unrecorded = AtomicU64::new(0);
    on_threads(EMITTERS, |thread| {
        for n in 0..ROUNDS {
            bus.emit(ephemeral(n));
            let durable = bus.try_emit(durable(n));
            let lost = u64::from(durable.is_err());
            unrecorded.fetch_add(1 + lost, Ordering::Relaxed);
            match (thread, n % 40) {
                (0, 10) => log.log().next(Fault::Refuse(LogErrorKind::Unavailable)),
                (0, 30) => log.log().next(Fault::WriteThenFail),
                (1, 10) => log.set_down(true),
                (1, 15) => log.set_down(false),
                (2, 20) => {
                    let below = log.log().log();
                    let event = [samples::text("elsewhere")];
                    block_on(below.append(&samples::key("stress"), &event)).unwrap();
                }
                _ => {}
            }
        }
    });
    log.set_down(false);
    log.log().heal();
    let over = bus_tokio::CustomEvent::new("acme.over", None).unwrap();
    bus.try_emit(over).unwrap();
    drop(bus);

    let last = block_on(log.bounds(&samples::key("stress"))).unwrap().last;
    let all: Vec<_> = (1..=last).collect();
    for follower in steady {
        let seen = runtime.block_on(follower).unwrap();
        assert_eq!(seen.ordinals, all);
        assert_eq!(seen.unrecorded, unrecorded.load(Ordering::Relaxed));
    }
    for follower in restless {
        assert_eq!(runtime.block_on(follower).unwrap().ordinals, all);
    }
}
