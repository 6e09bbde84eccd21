//! A bus with a log behind it.

use std::future::Future;
use std::io;
use std::pin::pin;
use std::sync::{Arc, Weak};
use std::task::{Context, Waker};
use std::time::Duration;

use bus_testkit::{Fault, FaultyLog, Gate};
use bus_tokio::{
    CustomEvent, DurabilityPolicy, Event, GraphEvent, InMemorySessionLog, LogErrorKind, LogWriter,
    LogWriterConfig, NotDurable, Recorded, SessionBus, SessionEvent, SessionLog, TenantId,
    ThreadKey, TryRecvError,
};
use tokio::time::timeout;

use crate::kit::{DEADLINE, drain, durable, ephemeral, on_threads};

fn key() -> ThreadKey {
    ThreadKey::new(TenantId::new("acme"), "session-7")
}

type Log = FaultyLog<InMemorySessionLog>;

fn log() -> Arc<Log> {
    Arc::new(FaultyLog::new(InMemorySessionLog::new()))
}

async fn all_of(log: &Log) -> Vec<Recorded> {
    log.log().load_since(&key(), 0).await.unwrap()
}

/// A bus on `log` that gives up an event at once, and a close soon.
fn impatient(log: &Arc<Log>) -> SessionBus {
    let config = LogWriterConfig::default()
        .with_retry_for(Duration::ZERO)
        .with_close_timeout(Duration::from_millis(50))
        .with_audit_queue(1_000);
    let writer = LogWriter::with_config(log.clone(), config);
    SessionBus::new(64).with_log_writer(&writer, key())
}

fn on_a_log_that_is_down() -> (Arc<Log>, SessionBus) {
    let log = log();
    log.always(Fault::Refuse(LogErrorKind::Unavailable));
    let bus = impatient(&log);
    (log, bus)
}

#[tokio::test]
async fn audit_records_signals_and_custom_events_have_one_order_from_the_log_to_the_screen() {
    let log = Arc::new(InMemorySessionLog::new());
    let bus = SessionBus::new(8192).with_log(log.clone(), key());
    let mut subscriber = bus.subscribe_envelopes();
    let each = 100;
    on_threads(8, |thread| {
        let audit = bus.audit_sink();
        for i in 0..each {
            audit.record_memory_recall("tier", &thread.to_string(), i);
            bus.emit(durable(i));
            bus.emit(ephemeral(i));
            bus.emit_event(CustomEvent::new("acme.tick", None).unwrap());
        }
    });
    bus.flush().await;

    let logged: Vec<_> = log.load_since(&key(), 0).await.unwrap();
    let logged: Vec<_> = logged
        .into_iter()
        .map(|r| (Some(r.ordinal), r.event))
        .collect();
    let seen: Vec<_> = drain(&mut subscriber)
        .iter()
        .filter(|envelope| envelope.ordinal.is_some())
        .map(|envelope| (envelope.ordinal, envelope.event.clone()))
        .collect();
    assert_eq!(logged.len(), 8 * 3 * each);
    assert_eq!(seen, logged);
    for thread in 0..8 {
        let hits = logged
            .iter()
            .filter_map(|(_, event)| match event.as_audit()? {
                GraphEvent::MemoryRecall {
                    namespace_key,
                    hits,
                    ..
                } => (*namespace_key == thread.to_string()).then_some(*hits),
                _ => None,
            });
        assert_eq!(hits.collect::<Vec<_>>(), (0..each).collect::<Vec<_>>());
    }
}

#[tokio::test]
async fn close_accounts_for_every_record() {
    let log = Arc::new(InMemorySessionLog::new());
    let bus = SessionBus::new(64).with_log(log.clone(), key());
    on_threads(4, |_| {
        let audit = bus.audit_sink();
        (0..250).for_each(|i| audit.record_context_compacted(i, i));
    });
    let stats = bus.close().await.unwrap();
    assert_eq!(
        (stats.accepted, stats.written, stats.dropped),
        (1000, 1000, 0)
    );
    assert_eq!(log.load_since(&key(), 0).await.unwrap().len(), 1000);
}

#[tokio::test]
async fn after_close_the_bus_goes_on_live() {
    let log = Arc::new(InMemorySessionLog::new());
    let bus = SessionBus::new(64).with_log(log.clone(), key());
    bus.close().await.unwrap();
    let mut subscriber = bus.subscribe_envelopes();
    let error = bus.try_emit(durable(1)).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
    bus.audit_sink().record_resumed("c");
    bus.emit(ephemeral(1));
    assert_eq!(drain(&mut subscriber).len(), 3);
    let stats = bus.audit_stats().unwrap();
    assert_eq!((stats.accepted, stats.written, stats.dropped), (1, 0, 1));
    assert_eq!(log.bounds(&key()).await.unwrap().last, 0);
}

#[tokio::test]
async fn without_a_log_nobody_counts_and_close_is_a_flush() {
    let bus = SessionBus::new(64);
    bus.audit_sink().record_resumed("c");
    assert_eq!(bus.audit_stats(), None);
    assert_eq!(bus.close().await, None);
    assert!(bus.try_emit(durable(1)).is_ok());
}

#[tokio::test]
async fn a_record_on_a_log_that_is_down_holds_up_no_event_and_is_written_later() {
    let (log, bus) = on_a_log_that_is_down();
    let mut subscriber = bus.subscribe_envelopes();
    bus.audit_sink().record_resumed("c");
    // The event behind it is given up, and both are seen.
    let error = timeout(DEADLINE, bus.publish(durable(1)))
        .await
        .unwrap()
        .unwrap_err();
    assert!(error.into_source().get_ref().unwrap().is::<NotDurable>());
    let seen = drain(&mut subscriber);
    assert!(matches!(
        seen[0].event,
        Event::Audit(GraphEvent::Resumed { .. })
    ));
    assert_eq!(seen[1].event, durable(1).into());
    assert!(seen.iter().all(|envelope| envelope.ordinal.is_none()));

    log.heal();
    timeout(DEADLINE, bus.flush()).await.unwrap();
    let written = all_of(&log).await;
    assert_eq!(written[0].event, seen[0].event);
    let stats = bus.audit_stats().unwrap();
    assert_eq!((stats.accepted, stats.written, stats.dropped), (1, 1, 0));
}

#[tokio::test]
async fn close_gives_up_a_log_that_stays_down_and_says_what_was_lost() {
    let (_log, bus) = on_a_log_that_is_down();
    let mut subscriber = bus.subscribe_envelopes();
    for i in 0..10 {
        bus.audit_sink().record_context_compacted(i, i);
    }
    let stats = timeout(DEADLINE, bus.close()).await.unwrap().unwrap();
    assert_eq!((stats.accepted, stats.written, stats.dropped), (10, 0, 10));
    assert_eq!(drain(&mut subscriber).len(), 10);
}

#[test]
fn recording_on_a_log_that_is_down_does_not_block() {
    let (log, bus) = on_a_log_that_is_down();
    let audit = bus.audit_sink();
    for i in 0..1_000 {
        audit.record_context_compacted(i, i);
    }
    let stats = bus.audit_stats().unwrap();
    assert_eq!((stats.accepted, stats.written), (1_000, 0));
    log.heal();
}

#[tokio::test]
async fn an_audit_sink_left_over_does_not_keep_subscribers_waiting_for_the_end() {
    let (log, bus) = on_a_log_that_is_down();
    let mut subscriber = bus.subscribe_envelopes();
    let audit = bus.audit_sink();
    audit.record_resumed("before");
    drop(bus);
    assert!(subscriber.try_recv().is_ok());
    assert_eq!(subscriber.try_recv().unwrap_err(), TryRecvError::Closed);
    audit.record_resumed("after");
    assert_eq!(subscriber.try_recv().unwrap_err(), TryRecvError::Closed);
    log.heal();
    drop(audit);
    assert_eq!(subscriber.try_recv().unwrap_err(), TryRecvError::Closed);
    assert_eq!(all_of(&log).await.len(), 2);
}

#[test]
fn dropping_the_last_clone_writes_what_is_left_and_lets_go_of_the_log() {
    let log = log();
    let gone = Arc::downgrade(&log);
    let bus = SessionBus::new(256).with_log(log.clone(), key());
    let mut subscriber = bus.subscribe_envelopes();
    let clone = bus.clone();
    {
        let mut cx = Context::from_waker(Waker::noop());
        let _ = pin!(bus.publish(durable(1))).poll(&mut cx);
    }
    for i in 0..100 {
        bus.audit_sink().record_context_compacted(i, i);
    }
    drop(bus);
    drop(clone);
    assert_eq!(Arc::strong_count(&log), 1, "the writer still holds the log");
    let ordinals: Vec<_> = drain(&mut subscriber).iter().map(|e| e.ordinal).collect();
    assert_eq!(ordinals, (1..=101).map(Some).collect::<Vec<_>>());
    assert_eq!(subscriber.try_recv(), Err(TryRecvError::Closed));
    drop(log);
    assert_eq!(Weak::strong_count(&gone), 0);
}

#[test]
fn an_emit_on_the_thread_of_the_log_does_not_wait_for_itself() {
    let writer = LogWriter::new(log());
    let bus = SessionBus::new(64).with_log_writer(&writer, key());
    let mut subscriber = bus.subscribe();
    let (tell, told) = std::sync::mpsc::channel();
    let emitter = bus.clone();
    writer.audit(key()).record_with(durable(1), move |_| {
        tell.send(emitter.try_emit(durable(2))).unwrap();
    });
    let error = told.recv_timeout(DEADLINE).unwrap().unwrap_err();
    assert_eq!((error.kind(), error.seq()), (io::ErrorKind::Deadlock, None));
    bus.emit(durable(3));
    for event in [durable(2), durable(3)] {
        assert_eq!(subscriber.try_recv(), Ok(event));
    }
}

#[tokio::test]
async fn records_that_find_the_queue_full_do_not_cost_the_others_their_ordinals() {
    let log = log();
    let gate = Gate::closed();
    log.next(Fault::Wait(gate.clone()));
    let config = LogWriterConfig::default().with_audit_queue(4);
    let writer = LogWriter::with_config(log.clone(), config);
    let bus = SessionBus::new(64).with_log_writer(&writer, key());
    let mut subscriber = bus.subscribe_envelopes();
    for i in 0..6 {
        bus.audit_sink().record_context_compacted(i, i);
    }
    assert!(
        drain(&mut subscriber).is_empty(),
        "seen before the log has it"
    );
    gate.open();
    timeout(DEADLINE, bus.flush()).await.unwrap();
    let ordinals: Vec<_> = drain(&mut subscriber).iter().map(|e| e.ordinal).collect();
    assert_eq!(ordinals, [Some(1), Some(2), Some(3), Some(4), None, None]);
    let gap = &all_of(&log).await[4].event;
    assert!(matches!(
        gap,
        Event::Audit(GraphEvent::AuditGap { dropped: 2, .. })
    ));
}

/// How many records stand in line at most, for their ordinals.
const MOST_IN_LINE: usize = 65_536;

#[tokio::test]
async fn a_log_that_is_down_keeps_a_bounded_number_of_records_from_being_seen() {
    let log = log();
    let gate = Gate::closed();
    log.always(Fault::Wait(gate.clone()));
    let config = LogWriterConfig::default().with_audit_queue(100);
    let writer = LogWriter::with_config(log.clone(), config);
    let bus = SessionBus::new(4 * MOST_IN_LINE).with_log_writer(&writer, key());
    let mut subscriber = bus.subscribe_envelopes();
    let audit = bus.audit_sink();
    let many = 3 * MOST_IN_LINE;
    for n in 0..many {
        audit.record_context_compacted(n, n);
    }
    let mut seen = drain(&mut subscriber);
    assert!(seen.len() >= many - MOST_IN_LINE, "{} are seen", seen.len());
    assert!(seen.iter().all(|envelope| envelope.ordinal.is_none()));
    gate.open();
    timeout(DEADLINE, bus.flush()).await.unwrap();
    seen.extend(drain(&mut subscriber));
    let numbers = seen.iter().map(|envelope| match &envelope.event {
        Event::Audit(GraphEvent::ContextCompacted { dropped_chars, .. }) => *dropped_chars,
        other => panic!("{other:?}"),
    });
    assert!(numbers.eq(0..many), "not in order, or not once");
}

#[tokio::test]
async fn behind_an_event_that_is_waited_for_the_line_of_records_is_bounded_too() {
    let log = log();
    let gate = Gate::closed();
    log.always(Fault::Wait(gate.clone()));
    let bus = SessionBus::new(2 * MOST_IN_LINE).with_log(log.clone(), key());
    let mut subscriber = bus.subscribe_envelopes();
    let mut publish = Box::pin(bus.publish(durable(1)));
    let mut cx = Context::from_waker(Waker::noop());
    assert!(publish.as_mut().poll(&mut cx).is_pending());
    let audit = bus.audit_sink();
    for n in 0..MOST_IN_LINE + 9 {
        audit.record_context_compacted(n, n);
    }
    assert_eq!(drain(&mut subscriber).len(), 10);
    gate.open();
    assert_eq!(publish.await.unwrap().ordinal, Some(1));
    timeout(DEADLINE, bus.flush()).await.unwrap();
    assert_eq!(drain(&mut subscriber).len(), MOST_IN_LINE);
}

#[tokio::test]
async fn close_comes_to_an_end_on_a_log_that_hangs() {
    let log = log();
    let gate = Gate::closed();
    log.always(Fault::Wait(gate.clone()));
    let bus = impatient(&log);
    let mut subscriber = bus.subscribe_envelopes();
    bus.audit_sink().record_resumed("c");
    let stats = timeout(DEADLINE, bus.close()).await.unwrap().unwrap();
    assert_eq!((stats.accepted, stats.written, stats.dropped), (1, 0, 1));
    assert_eq!(drain(&mut subscriber).len(), 1);
    gate.open();
}

#[test]
fn everything_can_be_logged_outside_any_runtime() {
    let log = Arc::new(InMemorySessionLog::new());
    let bus = SessionBus::new(64)
        .with_log(log.clone(), key())
        .with_durability(DurabilityPolicy::Everything);
    let events = [SessionEvent::Thinking, ephemeral(1), SessionEvent::Done];
    for (event, ordinal) in events.iter().zip(1..) {
        let receipt = bus.try_emit(event.clone()).unwrap();
        assert_eq!((receipt.durable, receipt.ordinal), (true, Some(ordinal)));
    }
    drop(bus);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let logged = runtime.block_on(log.load_since(&key(), 0)).unwrap();
    let logged: Vec<_> = logged.into_iter().map(|recorded| recorded.event).collect();
    assert_eq!(logged, events.map(Event::from));
}

#[test]
fn a_sink_after_a_log_replaces_it() {
    let log = log();
    let disk = Arc::new(crate::kit::Disk::default());
    let bus = SessionBus::new(64)
        .with_log(log.clone(), key())
        .with_durable_sink(disk.clone());
    assert_eq!(Arc::strong_count(&log), 1);
    bus.audit_sink().record_resumed("c");
    assert_eq!(disk.taken().len(), 1);
    assert_eq!(bus.audit_stats(), None);
}

#[test]
fn a_record_made_before_close_is_kept_though_an_emitter_is_waiting_for_room() {
    let log = log();
    let gate = Gate::closed();
    log.always(Fault::Wait(gate.clone()));
    let config = LogWriterConfig::default()
        .with_sink_queue(1)
        .with_retry_for(DEADLINE);
    let writer = LogWriter::with_config(log.clone(), config);
    let bus = SessionBus::new(64).with_log_writer(&writer, key());
    let audit = bus.audit_sink();
    let mut made = 0;
    let stats = std::thread::scope(|scope| {
        scope.spawn(|| bus.emit(durable(1)));
        scope.spawn(|| bus.emit(durable(2)));
        // Once one of them waits for room, the other's being taken, a record has to wait too.
        assert!(bus_testkit::eventually(DEADLINE, || {
            audit.record_resumed("c");
            made += 1;
            bus.audit_stats().unwrap().accepted < made
        }));
        let mut close = pin!(bus.close());
        let mut cx = Context::from_waker(Waker::noop());
        assert!(close.as_mut().poll(&mut cx).is_pending());
        gate.open();
        bus_testkit::block_on(close).unwrap()
    });
    assert_eq!(
        (stats.accepted, stats.written, stats.dropped),
        (made, made, 0)
    );
}

#[test]
fn records_past_those_that_wait_behind_an_emitter_are_noted_where_they_were_lost() {
    const MOST: usize = 65_536;
    const LOST: usize = 10;
    let log = log();
    let gate = Gate::closed();
    log.always(Fault::Wait(gate.clone()));
    let config = LogWriterConfig::default()
        .with_sink_queue(1)
        .with_audit_queue(10 * MOST)
        .with_retry_for(DEADLINE);
    let writer = LogWriter::with_config(log.clone(), config);
    let bus = SessionBus::new(64).with_log_writer(&writer, key());
    let audit = bus.audit_sink();
    let mut made = 0;
    let mut record = || {
        audit.record_memory_recall("tier", "key", made);
        made += 1;
        made
    };
    let mut subscriber = bus.subscribe_envelopes();
    let mut publishes = [1, 2].map(|i| Box::pin(bus.publish(durable(i))));
    for publish in &mut publishes {
        let mut cx = Context::from_waker(Waker::noop());
        assert!(publish.as_mut().poll(&mut cx).is_pending());
    }
    // The second waits for room, and with it whatever comes behind it.
    for _ in 1..MOST + LOST {
        record();
    }
    assert_eq!(drain(&mut subscriber).len(), LOST, "seen at once");
    gate.open();
    for publish in publishes {
        bus_testkit::block_on(publish).unwrap();
    }
    bus_testkit::block_on(bus.flush());
    record();
    let stats = bus_testkit::block_on(bus.close()).unwrap();
    assert_eq!(stats.dropped, LOST as u64);
    assert_eq!(stats.accepted, made as u64);
    let mut next = 0;
    for recorded in bus_testkit::block_on(log.log().load_since(&key(), 0)).unwrap() {
        match recorded.event {
            Event::Audit(GraphEvent::MemoryRecall { hits, .. }) => {
                assert_eq!(hits, next);
                next += 1;
            }
            Event::Audit(GraphEvent::AuditGap { dropped, .. }) => {
                next += usize::try_from(dropped).unwrap();
            }
            _ => {}
        }
    }
    assert_eq!(next, made);
}
