//! Subscribers come and go, and see the end.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Wake, Waker};
use std::thread;

use bus_tokio::{
    EnvelopeSubscriber, EventEmitter, RecvError, SessionBus, SessionEvent, Subscriber, TryRecvError,
};
use futures_util::StreamExt;
use tokio::time::timeout;

use crate::kit::{DEADLINE, Disk, drain, durable, ephemeral, numbers, on_threads};

#[test]
fn handles_and_futures_can_go_to_any_thread() {
    fn is_send_and_sync<T: Send + Sync + Unpin>() {}
    fn is_send<T: Send>(_: T) {}
    is_send_and_sync::<SessionBus>();
    is_send_and_sync::<Subscriber>();
    is_send_and_sync::<EnvelopeSubscriber>();
    let bus = SessionBus::new(1);
    is_send(bus.publish(SessionEvent::Done));
    is_send(bus.subscribe().recv());
    is_send(bus.close());
}

#[test]
fn the_bus_works_outside_any_runtime() {
    let disk = Arc::new(Disk::default());
    let bus = SessionBus::new(16).with_durable_sink(disk.clone());
    let emitter: Arc<dyn EventEmitter> = Arc::new(bus.clone());
    let mut subscriber = bus.subscribe();
    thread::scope(|scope| {
        scope.spawn(|| emitter.emit(durable(1)));
        disk.wait_for(1);
        disk.sync();
    });
    emitter.emit(ephemeral(2));
    assert_eq!(subscriber.try_recv(), Ok(durable(1)));
    assert_eq!(subscriber.try_recv(), Ok(ephemeral(2)));
}

#[test]
fn emit_may_block_inside_a_runtime_and_does_not_panic() {
    let disk = Arc::new(Disk::default());
    let bus = SessionBus::new(16).with_durable_sink(disk.clone());
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    thread::scope(|scope| {
        scope.spawn(|| {
            disk.wait_for(1);
            disk.sync();
        });
        let receipt = runtime.block_on(async { bus.try_emit(durable(1)) });
        assert!(receipt.unwrap().durable);
    });
}

#[tokio::test]
async fn a_stream_ends_when_the_last_clone_is_dropped_and_all_was_read() {
    let bus = SessionBus::new(16);
    let clone = bus.clone();
    let stream = bus.subscribe();
    let parked = tokio::spawn(bus.subscribe().collect::<Vec<_>>());
    bus.emit(ephemeral(1));
    drop(bus);
    clone.emit(ephemeral(2));
    let audit = clone.audit_sink();
    drop(clone);
    let expected = [Ok(ephemeral(1)), Ok(ephemeral(2))];
    let all = timeout(DEADLINE, stream.collect::<Vec<_>>()).await.unwrap();
    assert_eq!(all, expected);
    assert_eq!(timeout(DEADLINE, parked).await.unwrap().unwrap(), expected);
    audit.record_resumed("an audit sink is no clone, and may go on");
}

#[tokio::test]
async fn a_lag_is_an_item_of_the_stream() {
    let bus = SessionBus::new(1);
    let stream = bus.subscribe();
    for i in 0..3 {
        bus.emit(ephemeral(i));
    }
    drop(bus);
    let all: Vec<_> = stream.collect().await;
    assert_eq!(all, [Err(RecvError::Lagged(2)), Ok(ephemeral(2))]);
}

#[test]
fn what_is_in_line_when_the_last_clone_goes_is_still_seen() {
    let disk = Arc::new(Disk::default());
    let bus = SessionBus::new(16).with_durable_sink(disk.clone());
    let mut subscriber = bus.subscribe_envelopes();
    {
        let mut cx = Context::from_waker(Waker::noop());
        let given_up = pin!(bus.publish(durable(1)));
        assert!(given_up.poll(&mut cx).is_pending());
    }
    drop(bus);
    assert_eq!(subscriber.try_recv(), Err(TryRecvError::Empty));
    disk.wait_for(1);
    disk.sync();
    assert_eq!(numbers(&drain(&mut subscriber)), [1]);
    assert_eq!(subscriber.try_recv(), Err(TryRecvError::Closed));
}

#[tokio::test]
async fn a_recv_given_up_has_taken_nothing() {
    struct Counting(AtomicUsize);
    impl Wake for Counting {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }
    let bus = SessionBus::new(16);
    let mut subscriber = bus.subscribe();
    let wakes = Arc::new(Counting(AtomicUsize::new(0)));
    let waker = Waker::from(wakes.clone());
    let mut many = Vec::new();
    {
        let mut cx = Context::from_waker(&waker);
        assert!(pin!(subscriber.recv()).poll(&mut cx).is_pending());
        let recv_many = pin!(subscriber.recv_many(&mut many, 4));
        assert!(recv_many.poll(&mut cx).is_pending());
        bus.emit(ephemeral(1));
        bus.emit(ephemeral(2));
        assert_eq!(wakes.0.load(Ordering::SeqCst), 1);
    }
    assert!(many.is_empty());
    assert_eq!(subscriber.recv().await, Ok(ephemeral(1)));
    assert_eq!(subscriber.recv().await, Ok(ephemeral(2)));
}

#[test]
fn subscribers_that_come_and_go_see_an_unbroken_part_and_are_counted() {
    let bus = SessionBus::new(4096);
    let emitted = 20_000;
    thread::scope(|scope| {
        scope.spawn(|| (0..emitted).for_each(|i| bus.emit(ephemeral(i))));
        on_threads(4, |_| {
            for _ in 0..50 {
                let mut subscriber = bus.subscribe_envelopes();
                assert!(bus.subscriber_count() >= 1);
                let mut next = None;
                for _ in 0..100 {
                    match subscriber.try_recv() {
                        Ok(envelope) => {
                            assert!(next.is_none_or(|next| next == envelope.seq));
                            next = Some(envelope.seq + 1);
                        }
                        Err(TryRecvError::Lagged(n)) => next = next.map(|next| next + n),
                        Err(_) => thread::yield_now(),
                    }
                }
            }
        });
    });
    assert_eq!(bus.subscriber_count(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_parked_subscribers_are_all_woken() {
    let bus = SessionBus::new(64);
    let readers: Vec<_> = (0..100)
        .map(|_| {
            let mut subscriber = bus.subscribe();
            tokio::spawn(async move {
                let mut got = Vec::new();
                while let Ok(event) = subscriber.recv().await {
                    got.push(event);
                }
                got
            })
        })
        .collect();
    let expected: Vec<_> = (0..50).map(ephemeral).collect();
    for event in &expected {
        bus.emit(event.clone());
        tokio::task::yield_now().await;
    }
    drop(bus);
    for reader in readers {
        assert_eq!(timeout(DEADLINE, reader).await.unwrap().unwrap(), expected);
    }
}

#[tokio::test(flavor = "current_thread")]
async fn a_reader_of_a_busy_bus_yields_to_other_tasks() {
    let bus = SessionBus::new(8192);
    let mut subscriber = bus.subscribe();
    for i in 0..8192 {
        bus.emit(ephemeral(i));
    }
    let read = Arc::new(AtomicUsize::new(0));
    let reader = tokio::spawn({
        let read = read.clone();
        async move {
            while subscriber.recv().await.is_ok() {
                read.fetch_add(1, Ordering::SeqCst);
            }
        }
    });
    tokio::task::yield_now().await;
    let before_it_yielded = read.load(Ordering::SeqCst);
    assert!(
        (1..8192).contains(&before_it_yielded),
        "{before_it_yielded}"
    );
    drop(bus);
    timeout(DEADLINE, reader).await.unwrap().unwrap();
    assert_eq!(read.load(Ordering::SeqCst), 8192);
}

#[test]
fn the_last_reader_gets_the_event_itself_and_the_ring_keeps_nothing() {
    let bus = SessionBus::new(16);
    let mut first = bus.subscribe_envelopes();
    let mut last = bus.subscribe_envelopes();
    bus.emit(SessionEvent::Thinking);
    let envelope = first.try_recv().unwrap();
    assert_eq!(Arc::strong_count(&envelope), 2);
    assert!(Arc::ptr_eq(&envelope, &last.try_recv().unwrap()));
    assert_eq!(Arc::strong_count(&envelope), 1);
}
