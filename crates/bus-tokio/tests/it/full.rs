//! A sink that has no room, or takes its time, holds up only those who agreed to wait for it.

use std::future::Future;
use std::io;
use std::sync::{Arc, Mutex, mpsc};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;
use std::time::{Duration, Instant};

use bus_testkit::{Fault, FaultyLog, eventually};
use bus_tokio::{
    AuditSink, DurabilityPolicy, DurableSink, Event, InMemorySessionLog, LogWriter,
    LogWriterConfig, SessionBus, SessionEvent, SessionLog, TenantId, ThreadKey, Ticket,
};

use crate::kit::{DEADLINE, Gate, WriteOnly, drain, durable};

fn key(thread: &str) -> ThreadKey {
    ThreadKey::new(TenantId::new("acme"), thread)
}

type Log = FaultyLog<InMemorySessionLog>;

/// A log that hangs until the gate is opened.
fn hanging() -> (Arc<Log>, bus_testkit::Gate) {
    let log = Arc::new(FaultyLog::new(InMemorySessionLog::new()));
    let gate = bus_testkit::Gate::closed();
    log.always(Fault::Wait(gate.clone()));
    (log, gate)
}

/// A bus on `log` that has room for one event, which it tries to write for `retry_for`.
fn narrow(log: &Arc<Log>, retry_for: Duration) -> SessionBus {
    with_room_for(1, log, retry_for)
}

fn with_room_for(events: usize, log: &Arc<Log>, retry_for: Duration) -> SessionBus {
    let config = LogWriterConfig::default()
        .with_sink_queue(events)
        .with_retry_for(retry_for)
        .with_close_timeout(Duration::from_millis(50));
    let writer = LogWriter::with_config(log.clone(), config);
    SessionBus::new(64).with_log_writer(&writer, key("narrow"))
}

fn poll<F: Future + Unpin>(future: &mut F) -> Poll<F::Output> {
    std::pin::Pin::new(future).poll(&mut Context::from_waker(Waker::noop()))
}

/// Runs `work` on a thread of its own. False if it does not come back in `time`.
fn returns_in(time: Duration, work: impl FnOnce() + Send + 'static) -> bool {
    let (done, over) = mpsc::channel();
    thread::spawn(move || {
        work();
        let _ = done.send(());
    });
    over.recv_timeout(time).is_ok()
}

/// Can't say that it is full: whoever hands something in waits until the gate is open.
#[derive(Default)]
struct MayBlock(Gate);

impl DurableSink for MayBlock {
    fn write(&self, event: &SessionEvent) -> io::Result<()> {
        self.submit(event.clone().into()).wait().map(drop)
    }

    fn submit(&self, _: Event) -> Ticket {
        self.0.pass();
        Ticket::ready(Ok(None))
    }
}

#[test]
fn an_emit_to_a_log_sink_whose_log_hangs_ends_when_the_sink_would_give_up() {
    let (log, gate) = hanging();
    let config = LogWriterConfig::default()
        .with_sink_queue(1)
        .with_retry_for(Duration::from_millis(50))
        .with_close_timeout(Duration::from_millis(50));
    let writer = LogWriter::with_config(log, config);
    let sink: Arc<dyn DurableSink> = Arc::new(writer.sink(key("plain")));
    // It takes the only place, and keeps it while the log hangs.
    let held = sink.submit(durable(1).into());
    let bus = SessionBus::new(16).with_durable_sink(sink);
    assert!(returns_in(DEADLINE / 3, move || {
        assert!(bus.try_emit(durable(2)).is_err());
    }));
    gate.open();
    drop(held);
}

#[test]
fn a_record_does_not_wait_for_a_sink_that_blocks() {
    let sink = Arc::new(MayBlock::default());
    let bus = SessionBus::new(16).with_durable_sink(sink.clone());
    let audit = bus.audit_sink();
    let returned = returns_in(DEADLINE / 3, move || audit.record_resumed("c"));
    sink.0.open();
    assert!(returned, "the record waits for room");
}

#[test]
fn a_flush_that_is_polled_does_not_wait_for_a_sink_that_blocks() {
    let sink = Arc::new(MayBlock::default());
    let bus = SessionBus::new(16).with_durable_sink(sink.clone());
    let (polled, is_polled) = mpsc::channel();
    thread::scope(|scope| {
        scope.spawn(|| {
            bus.audit_sink().record_resumed("c");
            let mut flush = Box::pin(bus.flush());
            polled.send(poll(&mut flush).is_pending()).unwrap();
            bus_testkit::block_on(flush);
        });
        let pending = is_polled.recv_timeout(DEADLINE / 3);
        sink.0.open();
        assert_eq!(pending, Ok(true));
    });
}

#[test]
fn publishes_that_find_a_log_full_are_all_given_up_in_the_time_of_one() {
    let retry_for = Duration::from_secs(2);
    let (log, gate) = hanging();
    let bus = narrow(&log, retry_for);
    let begun = Instant::now();
    let mut publishes: Vec<_> = (0..6).map(|i| Box::pin(bus.publish(durable(i)))).collect();
    for publish in &mut publishes {
        assert!(poll(publish).is_pending());
    }
    assert!(begun.elapsed() < retry_for, "a poll waits for room");
    for publish in publishes {
        let error = bus_testkit::block_on(publish).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }
    let took = begun.elapsed();
    gate.open();
    assert!(took < 3 * retry_for, "{took:?} for all");
}

#[test]
fn events_that_were_given_up_while_a_log_was_full_are_not_written_later() {
    let (log, gate) = hanging();
    let bus = narrow(&log, Duration::from_millis(200));
    let mut subscriber = bus.subscribe_envelopes();
    let mut publishes: Vec<_> = (0..4).map(|i| Box::pin(bus.publish(durable(i)))).collect();
    for publish in &mut publishes {
        assert!(poll(publish).is_pending());
    }
    for publish in publishes {
        bus_testkit::block_on(publish).unwrap_err();
    }
    // Given up, they were seen all the same.
    assert_eq!(crate::kit::numbers(&drain(&mut subscriber)), [0, 1, 2, 3]);
    gate.open();
    bus_testkit::block_on(bus.flush());
    let written = bus_testkit::block_on(log.log().load_since(&key("narrow"), 0)).unwrap();
    // The first was being written, and nobody knew how that would end.
    assert!(written.iter().all(|r| r.event == durable(0).into()));
}

#[test]
fn a_log_that_has_room_again_takes_those_that_waited_in_their_order() {
    let (log, gate) = hanging();
    let bus = narrow(&log, DEADLINE);
    let mut publishes: Vec<_> = (0..50).map(|i| Box::pin(bus.publish(durable(i)))).collect();
    for publish in &mut publishes {
        assert!(poll(publish).is_pending());
    }
    gate.open();
    for (publish, ordinal) in publishes.into_iter().zip(1..) {
        let receipt = bus_testkit::block_on(publish).unwrap();
        assert_eq!(receipt.ordinal, Some(ordinal));
    }
}

#[test]
fn an_emit_that_finds_a_log_full_returns_when_there_is_room() {
    let (log, gate) = hanging();
    let bus = narrow(&log, DEADLINE);
    thread::scope(|scope| {
        let emitters = [1, 2, 3].map(|i| {
            let bus = &bus;
            scope.spawn(move || bus.try_emit(durable(i)))
        });
        assert!(eventually(DEADLINE, || !log.tried().is_empty()));
        gate.open();
        for emitter in emitters {
            assert!(emitter.join().unwrap().unwrap().ordinal.is_some());
        }
    });
}

#[test]
fn publishes_that_are_given_up_while_a_log_is_full_are_kept_up_to_a_bound() {
    const TRIED: usize = 100_000;
    const MOST: usize = 65_536;
    const ROOM: usize = 1_024;
    let (log, gate) = hanging();
    let bus = with_room_for(ROOM, &log, 10 * DEADLINE);
    thread::scope(|scope| {
        scope.spawn(|| bus.emit(durable(0)));
        assert!(eventually(DEADLINE, || !log.tried().is_empty()));
        let mut publishes: Vec<_> = Vec::new();
        for i in 0..TRIED {
            let mut publish = Box::pin(bus.publish(durable(i)));
            assert!(poll(&mut publish).is_pending());
            // Those before it are given up.
            publishes = vec![publish];
        }
        drop(publishes);
        gate.open();
    });
    bus_testkit::block_on(bus.flush());
    let written = bus_testkit::block_on(log.log().bounds(&key("narrow"))).unwrap();
    let most = u64::try_from(MOST + ROOM + 1).unwrap();
    assert!(written.last <= most, "{} were kept", written.last);
}

#[test]
fn a_publish_past_those_that_wait_gets_its_place_when_there_is_room() {
    const MOST: usize = 65_536;
    const ROOM: usize = 1_024;
    let (log, gate) = hanging();
    let bus = with_room_for(ROOM, &log, 10 * DEADLINE);
    let mut last = None;
    for i in 0..MOST + ROOM + 10 {
        let mut publish = Box::pin(bus.publish(durable(i)));
        assert!(poll(&mut publish).is_pending());
        last = Some(publish);
    }
    gate.open();
    let receipt = bus_testkit::block_on(last.unwrap()).unwrap();
    assert!(receipt.durable);
}

#[test]
fn publish_needs_no_thread_of_a_pool_that_may_be_full() {
    let sink = Arc::new(WriteOnly::default());
    let bus = SessionBus::new(16).with_durable_sink(sink.clone());
    let runtime = tokio::runtime::Builder::new_current_thread()
        .max_blocking_threads(1)
        .build()
        .unwrap();
    let handle = runtime.handle().clone();
    let (done, over) = mpsc::channel();
    let blocking = runtime.spawn_blocking(move || {
        let receipt = handle.block_on(bus.publish(durable(1)));
        let _ = done.send(receipt.is_ok_and(|receipt| receipt.durable));
    });
    let told = over.recv_timeout(DEADLINE / 3);
    if told.is_err() {
        // It hangs: so would the drop of its runtime.
        std::mem::forget(runtime);
        panic!("the publish waits for the thread that waits for it");
    }
    assert_eq!(told, Ok(true));
    runtime.block_on(blocking).unwrap();
}

/// Drops a bus when it is woken.
struct Drops(Mutex<Option<SessionBus>>);

impl Wake for Drops {
    fn wake(self: Arc<Self>) {
        let bus = self.0.lock().unwrap().take();
        drop(bus);
    }
}

#[test]
fn a_bus_that_leaves_events_behind_for_a_hung_log_keeps_no_other_bus_waiting() {
    // With room for one, those that wait for room have the last hold on the log; with room for all it is the bus.
    for room in [1, 8] {
        leaves_events_behind(room);
    }
}

fn leaves_events_behind(room: usize) {
    let (left_behind, gate) = hanging();
    let config = LogWriterConfig::default()
        .with_sink_queue(room)
        .with_retry_for(Duration::from_millis(500))
        .with_close_timeout(10 * DEADLINE);
    let writer = LogWriter::with_config(left_behind, config);
    let left = SessionBus::new(64).with_log_writer(&writer, key("left"));
    drop(writer);
    for i in 0..3 {
        assert!(poll(&mut Box::pin(left.publish(durable(i)))).is_pending());
    }
    // Within a delivery its drop does not wait.
    let other = SessionBus::new(64);
    let mut parked = other.subscribe();
    let waker = Waker::from(Arc::new(Drops(Mutex::new(Some(left)))));
    let mut recv = Box::pin(parked.recv());
    assert!(
        recv.as_mut()
            .poll(&mut Context::from_waker(&waker))
            .is_pending()
    );
    // A delivery is one of durable events.
    let through = other.with_durable_sink(Arc::new(WriteOnly::default()));
    let delivered = returns_in(DEADLINE / 3, move || {
        bus_testkit::block_on(through.publish(durable(1))).unwrap();
    });
    let (hung, second) = hanging();
    let bus = narrow(&hung, Duration::from_millis(700));
    let told = returns_in(DEADLINE / 3, move || {
        let mut publishes: Vec<_> = (0..2).map(|i| Box::pin(bus.publish(durable(i)))).collect();
        for publish in &mut publishes {
            assert!(poll(publish).is_pending());
        }
        for publish in publishes {
            bus_testkit::block_on(publish).unwrap_err();
        }
    });
    gate.open();
    second.open();
    assert!(delivered, "a delivery waits for another bus's log");
    assert!(told, "one bus waits for another's log");
}

#[test]
fn the_drop_of_a_handle_that_is_not_the_last_waits_for_nobodys_events() {
    let (log, gate) = hanging();
    let bus = narrow(&log, DEADLINE);
    for i in 0..3 {
        assert!(poll(&mut Box::pin(bus.publish(durable(i)))).is_pending());
    }
    let other = bus.clone().with_durability(DurabilityPolicy::Everything);
    let returned = returns_in(DEADLINE / 3, move || drop(other));
    gate.open();
    assert!(returned, "it waits for what another handle emitted");
    drop(bus);
    assert_eq!(Arc::strong_count(&log), 1, "the writer still holds the log");
    let written = bus_testkit::block_on(log.log().bounds(&key("narrow"))).unwrap();
    assert_eq!(written.last, 3);
}

/// Emits to a bus when it is woken.
struct Emits(SessionBus);

impl Wake for Emits {
    fn wake(self: Arc<Self>) {
        let error = self.0.try_emit(durable(9)).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::Deadlock);
    }
}

#[test]
fn a_waker_that_emits_to_a_bus_whose_log_is_full_does_not_stop_the_log_that_woke_it() {
    let retry_for = DEADLINE;
    let (full, gate) = hanging();
    let b = narrow(&full, retry_for);
    let mut first = Box::pin(b.publish(durable(0)));
    assert!(poll(&mut first).is_pending());

    let log = Arc::new(InMemorySessionLog::new());
    let a = SessionBus::new(64).with_log(log, key("a"));
    let mut parked = a.subscribe();
    let mut recv = Box::pin(parked.recv());
    let waker = Waker::from(Arc::new(Emits(b.clone())));
    assert!(
        recv.as_mut()
            .poll(&mut Context::from_waker(&waker))
            .is_pending()
    );
    let begun = Instant::now();
    // Its delivery wakes the waker.
    bus_testkit::block_on(a.publish(durable(1))).unwrap();
    bus_testkit::block_on(a.publish(durable(2))).unwrap();
    let took = begun.elapsed();
    gate.open();
    assert!(took < retry_for / 3, "the log stood still for {took:?}");
    bus_testkit::block_on(b.flush());
    bus_testkit::block_on(first).unwrap();
    let written = bus_testkit::block_on(full.log().load_since(&key("narrow"), 0)).unwrap();
    assert_eq!(
        written[1].event,
        durable(9).into(),
        "what it emitted is lost"
    );
}

#[test]
fn the_drop_of_the_last_clone_has_those_written_that_waited_for_room() {
    let (log, gate) = hanging();
    let bus = narrow(&log, DEADLINE);
    for i in 0..10 {
        assert!(poll(&mut Box::pin(bus.publish(durable(i)))).is_pending());
    }
    thread::scope(|scope| {
        let dropped = scope.spawn(move || drop(bus));
        gate.open();
        dropped.join().unwrap();
    });
    assert_eq!(Arc::strong_count(&log), 1, "the writer still holds the log");
    let written = bus_testkit::block_on(log.log().bounds(&key("narrow"))).unwrap();
    assert_eq!(written.last, 10);
}
