//! Many sessions in one process.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bus_testkit::{Fault, FaultyLog, Gate, LocalLive, eventually, samples};
use bus_tokio::{
    DurabilityPolicy, Followed, HubConfig, HubSubscriber, InMemorySessionLog, RecvError,
    RemoteSession, SessionBus, SessionEvent, SessionHub, SessionLog, TenantId, ThreadKey,
    TryRecvError,
};
use tokio::time::timeout;

use crate::kit::{DEADLINE, durable, ephemeral, on_threads};

fn key(session: usize) -> ThreadKey {
    samples::key(&format!("session-{session}"))
}

fn key_of(tenant: &str, session: usize) -> ThreadKey {
    ThreadKey::new(TenantId::new(tenant), format!("session-{session}"))
}

/// A hub that lets go of what is unused at the second look.
fn hub() -> (Arc<InMemorySessionLog>, SessionHub) {
    let log = Arc::new(InMemorySessionLog::new());
    let config = HubConfig::default().with_idle(Duration::ZERO);
    (log.clone(), SessionHub::with_config(log, config))
}

/// The sessions and `seq`s that there are.
fn drain(wall: &mut HubSubscriber) -> Vec<(ThreadKey, u64)> {
    let mut all = Vec::new();
    while let Ok(item) = wall.try_recv() {
        all.push(((*item.key).clone(), item.envelope.seq));
    }
    all
}

#[test]
fn who_asks_for_a_session_gets_the_bus_that_there_is() {
    let (_log, hub) = hub();
    let bus = hub.bus(&key(1));
    let mut screen = bus.subscribe();
    let other = hub.bus(&key(2));
    other.emit(SessionEvent::Done);
    hub.clone().bus(&key(1)).emit(SessionEvent::Thinking);
    assert_eq!(screen.try_recv(), Ok(SessionEvent::Thinking));
    assert_eq!(screen.try_recv(), Err(TryRecvError::Empty));
    assert_eq!(hub.keys(), [key(1), key(2)]);
}

#[test]
fn all_sessions_share_one_log_and_its_writer() {
    let (log, hub) = hub();
    for n in 0..50 {
        let receipt = hub.bus(&key(n)).try_emit(durable(n)).unwrap();
        assert_eq!(receipt.ordinal, Some(1));
    }
    let tenant = TenantId::new("acme");
    let threads = bus_testkit::block_on(log.list(&tenant, None, 100)).unwrap();
    assert_eq!(threads.len(), 50);
    drop(hub);
    assert_eq!(Arc::strong_count(&log), 1, "nothing holds the log any more");
}

#[test]
fn a_bus_is_kept_while_anything_of_it_is_used_and_then_let_go() {
    type Hold = fn(SessionBus) -> Box<dyn std::any::Any>;
    let holds: [(&str, Hold); 6] = [
        ("a clone", |bus| Box::new(bus)),
        ("another handle's sink", |bus| {
            let other = bus.with_durability(DurabilityPolicy::Everything);
            Box::new(other.audit_sink())
        }),
        ("an audit sink", |bus| Box::new(bus.audit_sink())),
        ("a subscriber", |bus| Box::new(bus.subscribe())),
        ("an envelope subscriber", |bus| {
            Box::new(bus.subscribe_envelopes())
        }),
        ("a follower", |bus| Box::new(bus.follow(0).unwrap())),
    ];
    for (what, hold) in holds {
        let (_log, hub) = hub();
        let held = hold(hub.bus(&key(1)));
        for _ in 0..3 {
            assert_eq!(hub.let_go(), 0, "{what}");
        }
        drop(held);
        assert_eq!(hub.let_go(), 1, "{what}");
        assert!(hub.is_empty());
    }
}

#[test]
fn a_bus_is_kept_while_something_is_on_its_way_into_the_log() {
    let log = Arc::new(FaultyLog::new(InMemorySessionLog::new()));
    let gate = Gate::closed();
    log.always(Fault::Wait(gate.clone()));
    let config = HubConfig::default().with_idle(Duration::ZERO);
    let hub = SessionHub::with_config(log.clone(), config);
    let mut wall = hub.subscribe_all();
    hub.bus(&key(1)).audit_sink().record_resumed("c");
    assert!(eventually(DEADLINE, || !log.tried().is_empty()));
    assert_eq!(hub.let_go(), 0);
    gate.open();
    assert!(eventually(DEADLINE, || hub.let_go() == 1));
    assert_eq!(drain(&mut wall), [(key(1), 1)]);
}

#[test]
fn a_bus_is_let_go_after_the_idle_time_and_not_before() {
    let log = Arc::new(InMemorySessionLog::new());
    let config = HubConfig::default().with_idle(Duration::from_secs(3600));
    let patient = SessionHub::with_config(log.clone(), config);
    drop(patient.bus(&key(1)));
    (0..3).for_each(|_| assert_eq!(patient.let_go(), 0));

    let config = HubConfig::default().with_idle(Duration::from_millis(20));
    let quick = SessionHub::with_config(log, config);
    drop(quick.bus(&key(1)));
    assert_eq!(quick.let_go(), 0, "the time begins with the first look");
    assert!(eventually(DEADLINE, || quick.let_go() == 1));
}

#[test]
fn after_it_was_let_go_a_session_goes_on_at_its_next_ordinal() {
    let (_log, hub) = hub();
    for ordinal in 1..=5 {
        let receipt = hub.bus(&key(1)).try_emit(durable(0)).unwrap();
        assert_eq!((receipt.ordinal, receipt.seq), (Some(ordinal), 1));
        // Whoever delivered it may not have let go yet.
        assert!(eventually(DEADLINE, || hub.let_go() == 1));
    }
}

#[test]
fn under_churn_no_more_than_a_third_are_there_in_vain() {
    let (_log, hub) = hub();
    let held: Vec<_> = (0..300).map(|n| hub.bus(&key(n))).collect();
    for n in 300..20_000 {
        drop(hub.bus(&key(n)));
        assert!(hub.len() <= 2 * held.len(), "{} buses", hub.len());
    }
    assert!(hub.len() <= held.len() * 3 / 2, "{} buses", hub.len());
    for (n, bus) in held.iter().enumerate() {
        bus.emit(ephemeral(n));
        let receipt = hub.bus(&key(n)).try_emit(ephemeral(n)).unwrap();
        assert_eq!(receipt.seq, 2, "still the same bus");
    }
}

#[test]
fn who_asks_for_buses_that_there_are_lets_go_of_those_that_nobody_uses() {
    let (_log, hub) = hub();
    let used = hub.bus(&key(0));
    let made: Vec<_> = (1..20).map(|n| hub.bus(&key(n))).collect();
    drop(made);
    assert_eq!(hub.len(), 20);
    for _ in 0..20 {
        drop(hub.bus(&key(0)));
    }
    assert_eq!(hub.keys(), [key(0)]);
    drop(used);
}

#[test]
fn however_many_ask_at_once_a_session_never_has_two_buses() {
    let (_log, hub) = hub();
    let living: Vec<AtomicUsize> = (0..8).map(|_| AtomicUsize::new(0)).collect();
    on_threads(4, |thread| {
        for turn in 0..2_000 {
            let n = (thread * 7 + turn) % 8;
            let bus = hub.bus(&key(n));
            // Whoever holds one while others do sees what they emit.
            let mut screen = bus.subscribe_envelopes();
            living[n].fetch_add(1, Ordering::SeqCst);
            let again = hub.bus(&key(n));
            let mark = thread * 1_000_000 + turn;
            again.emit(ephemeral(mark));
            let seen = std::iter::from_fn(|| screen.try_recv().ok())
                .any(|envelope| envelope.event == ephemeral(mark).into());
            assert!(seen, "the same bus for all");
            living[n].fetch_sub(1, Ordering::SeqCst);
            if turn % 5 == 0 {
                hub.let_go();
            }
        }
    });
}

#[tokio::test]
async fn a_wall_sees_all_sessions_each_in_the_order_of_its_bus() {
    let hub = SessionHub::new(Arc::new(InMemorySessionLog::new()));
    let mut wall = hub.subscribe_all();
    on_threads(4, |thread| {
        for i in 0..500 {
            let bus = hub.bus(&key(i % 5));
            bus.emit(ephemeral(thread));
            if i % 10 == 0 {
                bus.emit(durable(i));
                bus.audit_sink().record_context_compacted(i, i);
            }
        }
    });
    hub.flush().await;
    let seen = drain(&mut wall);
    assert_eq!(seen.len(), 4 * (500 + 50 + 50));
    let mut last: HashMap<ThreadKey, u64> = HashMap::new();
    for (key, seq) in seen {
        let last = last.entry(key).or_default();
        assert_eq!(seq, *last + 1);
        *last = seq;
    }
    assert_eq!(last.len(), 5);
}

#[tokio::test]
async fn a_wall_that_lags_is_told_exactly_and_holds_up_no_session() {
    let log = Arc::new(InMemorySessionLog::new());
    let config = HubConfig::default().with_hub_capacity(4);
    let hub = SessionHub::with_config(log, config);
    let mut wall = hub.subscribe_all();
    let mut screen = hub.bus(&key(0)).subscribe();
    for i in 0..10 {
        hub.bus(&key(i % 3)).emit(ephemeral(i));
    }
    assert_eq!(wall.recv().await, Err(RecvError::Lagged(6)));
    let left = drain(&mut wall);
    assert_eq!(left, [(key(0), 3), (key(1), 3), (key(2), 3), (key(0), 4)]);
    for i in [0, 3, 6, 9] {
        assert_eq!(screen.try_recv(), Ok(ephemeral(i)));
    }
}

#[tokio::test]
async fn a_wall_of_one_tenant_neither_sees_nor_counts_the_others() {
    let log = Arc::new(InMemorySessionLog::new());
    let config = HubConfig::default().with_hub_capacity(2);
    let hub = SessionHub::with_config(log, config);
    let mut before = hub.subscribe_tenant(&TenantId::new("a"));
    for i in 0..5 {
        hub.bus(&key_of("a", i)).emit(ephemeral(i));
        (0..10).for_each(|n| hub.bus(&key_of("b", n)).emit(ephemeral(n)));
    }
    assert_eq!(before.recv().await, Err(RecvError::Lagged(3)));
    assert_eq!(
        drain(&mut before),
        [(key_of("a", 3), 1), (key_of("a", 4), 1)]
    );
    // Many tenants come and go: one that has a subscriber stays.
    for n in 0..1_000 {
        drop(hub.subscribe_tenant(&TenantId::new(format!("t{n}"))));
    }
    hub.bus(&key_of("a", 0)).emit(ephemeral(0));
    assert_eq!(drain(&mut before), [(key_of("a", 0), 2)]);
}

#[tokio::test]
async fn a_wall_ends_with_the_hub_and_its_last_bus() {
    let (_log, hub) = hub();
    let mut wall = hub.subscribe_all();
    let bus = hub.bus(&key(1));
    drop(hub);
    bus.emit(durable(1));
    drop(bus);
    assert_eq!(drain(&mut wall), [(key(1), 1)]);
    assert_eq!(wall.recv().await, Err(RecvError::Closed));
}

#[tokio::test]
async fn a_wall_ends_though_one_that_reads_a_session_or_records_in_it_is_left() {
    let (_log, hub) = hub();
    let mut wall = hub.subscribe_all();
    let bus = hub.bus(&key(1));
    let mut left = bus.subscribe();
    let audit = bus.audit_sink();
    drop((hub, bus));
    assert_eq!(left.recv().await, Err(RecvError::Closed));
    let end = timeout(DEADLINE, wall.recv()).await.unwrap();
    assert_eq!(end, Err(RecvError::Closed));
    audit.record_resumed("goes to the log");
}

#[tokio::test]
async fn closing_the_bus_of_one_session_ends_nothing_for_the_others() {
    let (log, hub) = hub();
    let (one, other) = (hub.bus(&key(1)), hub.bus(&key(2)));
    one.audit_sink().record_resumed("c");
    let stats = one.close().await.unwrap();
    assert_eq!((stats.accepted, stats.written), (1, 1));
    for bus in [&other, &one, &hub.bus(&key(3))] {
        assert!(bus.publish(durable(1)).await.unwrap().durable);
    }
    hub.close().await;
    assert_eq!(log.bounds(&key(1)).await.unwrap().last, 2);
}

#[tokio::test]
async fn a_wall_does_not_keep_a_bus_and_sees_the_one_that_comes_after() {
    let (_log, hub) = hub();
    let mut wall = hub.subscribe_all();
    for _ in 0..3 {
        hub.bus(&key(1)).emit(ephemeral(1));
        assert_eq!(hub.let_go(), 1);
    }
    assert_eq!(drain(&mut wall), vec![(key(1), 1); 3]);
}

#[tokio::test]
async fn close_waits_for_the_records_of_all_sessions_and_counts_them() {
    let (log, hub) = hub();
    let mut wall = hub.subscribe_all();
    for n in 0..100 {
        let bus = hub.bus(&key(n % 10));
        bus.audit_sink().record_context_compacted(n, n);
    }
    let stats = timeout(DEADLINE, hub.close()).await.unwrap();
    assert_eq!(
        (stats.accepted, stats.written, stats.dropped),
        (100, 100, 0)
    );
    assert_eq!(stats, hub.audit_stats());
    assert_eq!(drain(&mut wall).len(), 100);
    for n in 0..10 {
        assert_eq!(log.bounds(&key(n)).await.unwrap().last, 10);
    }
    // Afterwards it goes on live.
    assert!(hub.bus(&key(1)).try_emit(durable(1)).is_err());
    assert_eq!(drain(&mut wall).len(), 1);
}

#[tokio::test]
async fn a_session_of_a_hub_is_followed_as_any_other() {
    let (_log, hub) = hub();
    hub.bus(&key(1)).emit(durable(1));
    let mut follow = hub.bus(&key(1)).follow(0).unwrap();
    hub.bus(&key(1)).emit(durable(2));
    for ordinal in 1..=2 {
        let item = timeout(DEADLINE, follow.next()).await.unwrap();
        let Some(Ok(Followed::Recorded(event))) = item else {
            panic!("{item:?}");
        };
        assert_eq!(event.ordinal(), ordinal);
    }
}

#[test]
fn a_capacity_that_can_not_be_is_refused_where_it_is_set_by_hubs_buses_and_remote_sessions_alike() {
    use std::panic::catch_unwind;
    for impossible in [0, usize::MAX] {
        let refused = [
            catch_unwind(|| drop(SessionBus::new(impossible))),
            catch_unwind(|| drop(HubConfig::default().with_capacity(impossible))),
            catch_unwind(|| drop(HubConfig::default().with_hub_capacity(impossible))),
            catch_unwind(|| {
                let log = Arc::new(InMemorySessionLog::new());
                let channel = LocalLive::new();
                drop(RemoteSession::new(log, channel, key(1)).with_capacity(impossible));
            }),
        ];
        for said in refused {
            let said = said.unwrap_err();
            let said = said.downcast_ref::<String>().map_or_else(
                || (*said.downcast_ref::<&str>().unwrap()).to_owned(),
                Clone::clone,
            );
            assert!(said.starts_with("bus capacity is"), "{said}");
        }
    }
    let config = HubConfig::default().with_capacity(3).with_hub_capacity(5);
    assert_eq!((config.capacity(), config.hub_capacity()), (4, 8));
    let hub = SessionHub::with_config(Arc::new(InMemorySessionLog::new()), config);
    assert_eq!(hub.bus(&key(1)).capacity(), 4);
}

/// Resident bytes of this process.
#[cfg(target_os = "linux")]
fn resident() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    let pages: usize = statm.split(' ').nth(1).unwrap().parse().unwrap();
    pages * 4096
}

#[cfg(target_os = "linux")]
#[test]
fn a_quiet_session_takes_no_more_memory_than_the_docs_say() {
    // A build without optimisations takes a minute over as many as hubs are meant for.
    const SESSIONS: usize = if cfg!(debug_assertions) {
        50_000
    } else {
        100_000
    };
    let name = concat!(
        module_path!(),
        "::a_quiet_session_takes_no_more_memory_than_the_docs_say"
    );
    bus_testkit::alone(name, || {
        let key = |n: usize| samples::key(&format!("session-{n:018}"));
        let (_log, hub) = hub();
        let before = resident();
        let mut held = Vec::with_capacity(SESSIONS);
        held.extend((0..SESSIONS).map(|n| hub.bus(&key(n))));
        for bus in &held {
            let mut screen = bus.subscribe();
            (0..5).for_each(|i| bus.emit(ephemeral(i)));
            while screen.try_recv().is_ok() {}
        }
        hub.let_go();
        let each = (resident() - before) / SESSIONS;
        assert!((500..=2_048).contains(&each), "{each} bytes per session");
        // Those that were let go make room for as many others.
        drop(held);
        assert_eq!(hub.let_go(), SESSIONS);
        let full = resident();
        let again: Vec<_> = (0..SESSIONS).map(|n| hub.bus(&key(n))).collect();
        let more = resident().saturating_sub(full) / SESSIONS;
        assert!(more < 500, "{more} bytes more per session");
        assert_eq!(hub.len(), again.len());
    });
}
