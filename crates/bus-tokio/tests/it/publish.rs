//! `publish` waits without blocking, and may be given up.

use std::future::Future;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Waker};

use bus_tokio::{DurableSink, SessionBus, SessionEvent};
use tokio::sync::oneshot;
use tokio::time::timeout;

use crate::kit::{DEADLINE, Disk, Gate, WriteOnly, drain, durable, ephemeral, number, numbers};

#[tokio::test]
async fn publish_tells_what_try_emit_tells() {
    let bus = SessionBus::new(16).with_durable_sink(Arc::new(WriteOnly::default()));
    let receipt = bus.publish(durable(1)).await.unwrap();
    assert_eq!(
        (receipt.seq, receipt.durable, receipt.ordinal),
        (1, true, None)
    );
    let receipt = bus.publish(ephemeral(1)).await.unwrap();
    assert_eq!((receipt.seq, receipt.durable), (2, false));
}

#[tokio::test(flavor = "current_thread")]
async fn publish_lets_other_tasks_of_a_current_thread_runtime_go_on() {
    let disk = Arc::new(Disk::default());
    let bus = SessionBus::new(16).with_durable_sink(disk.clone());
    let publisher = tokio::spawn({
        let bus = bus.clone();
        async move { bus.publish(durable(1)).await }
    });
    // This task goes on while that one waits for the disk, and is the one that frees it.
    while disk.taken().is_empty() {
        tokio::task::yield_now().await;
    }
    assert!(!publisher.is_finished());
    disk.sync();
    let receipt = timeout(DEADLINE, publisher).await.unwrap().unwrap();
    assert!(receipt.unwrap().durable);
}

/// A sink with only `write`, which hangs until the test lets it go.
struct Hanging(Arc<Gate>);

impl DurableSink for Hanging {
    fn write(&self, _: &SessionEvent) -> io::Result<()> {
        self.0.pass();
        Ok(())
    }
}

#[tokio::test(flavor = "current_thread")]
async fn publish_does_not_block_a_worker_on_a_sink_with_only_write_either() {
    let gate = Arc::new(Gate::default());
    let bus = SessionBus::new(16).with_durable_sink(Arc::new(Hanging(gate.clone())));
    let (gone_on, others) = oneshot::channel();
    let publishers = [1, 2].map(|i| {
        let bus = bus.clone();
        tokio::spawn(async move { bus.publish(durable(i)).await })
    });
    tokio::spawn(async move { gone_on.send(()) });
    timeout(DEADLINE, others).await.unwrap().unwrap();
    gate.open();
    for publisher in publishers {
        let receipt = timeout(DEADLINE, publisher).await.unwrap().unwrap();
        assert!(receipt.unwrap().durable);
    }
}

#[test]
fn a_publish_given_up_in_mid_flight_loses_nothing_and_stalls_nobody() {
    let disk = Arc::new(Disk::default());
    let bus = SessionBus::new(16).with_durable_sink(disk.clone());
    let mut subscriber = bus.subscribe_envelopes();
    let mut cx = Context::from_waker(Waker::noop());
    let kept = bus.publish(durable(2));
    let mut kept = pin!(kept);
    {
        let given_up = pin!(bus.publish(durable(1)));
        assert!(given_up.poll(&mut cx).is_pending());
    }
    assert!(kept.as_mut().poll(&mut cx).is_pending());
    disk.wait_for(2);
    disk.sync_one(2);
    assert!(
        kept.as_mut().poll(&mut cx).is_pending(),
        "overtook the first"
    );
    disk.sync_one(1);
    assert!(kept.poll(&mut cx).is_ready());
    let seen = drain(&mut subscriber);
    assert_eq!(numbers(&seen), [1, 2]);
    assert_eq!(seen[0].ordinal, Some(1));
}

#[test]
fn a_publish_that_was_never_polled_emits_nothing() {
    let bus = SessionBus::new(16);
    let mut subscriber = bus.subscribe_envelopes();
    drop(bus.publish(ephemeral(1)));
    assert!(drain(&mut subscriber).is_empty());
}

#[test]
fn the_failure_of_a_publish_given_up_is_still_a_warning() {
    let disk = Arc::new(Disk::default());
    let bus = SessionBus::new(16).with_durable_sink(disk.clone());
    let mut cx = Context::from_waker(Waker::noop());
    {
        let given_up = pin!(bus.publish(durable(1)));
        assert!(given_up.poll(&mut cx).is_pending());
    }
    assert_eq!(crate::kit::warnings_of(|| disk.fail("gone")), 1);

    let told_and_not_asked = {
        let mut publish = Box::pin(bus.publish(durable(2)));
        assert!(publish.as_mut().poll(&mut cx).is_pending());
        disk.fail("gone");
        publish
    };
    assert_eq!(crate::kit::warnings_of(|| drop(told_and_not_asked)), 1);
}

#[test]
fn a_publish_survives_the_end_of_its_runtime() {
    let sink = Arc::new(WriteOnly::default());
    let bus = SessionBus::new(16).with_durable_sink(sink.clone());
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let publisher = bus.clone();
    let mut publish = Box::pin(publisher.publish(durable(1)));
    {
        let _inside = runtime.enter();
        let mut cx = Context::from_waker(Waker::noop());
        let _ = publish.as_mut().poll(&mut cx);
    }
    drop(runtime);
    drop(publish);
    // The last clone waits for what is on its way.
    drop((bus, publisher));
    assert_eq!(sink.written(), [durable(1)]);
}

#[test]
fn futures_polled_in_an_order_keep_it_also_with_emits_between() {
    let disk = Arc::new(Disk::default());
    let bus = SessionBus::new(16).with_durable_sink(disk.clone());
    let mut cx = Context::from_waker(Waker::noop());
    let mut publishes: Vec<_> = (0..4).map(|i| Box::pin(bus.publish(durable(i)))).collect();
    for publish in &mut publishes {
        assert!(publish.as_mut().poll(&mut cx).is_pending());
    }
    let taken: Vec<_> = disk.taken().iter().map(crate::kit::number).collect();
    assert_eq!(taken, [0, 1, 2, 3]);
    disk.sync();
}

#[test]
fn neither_a_record_nor_a_flush_blocks_its_thread_for_what_others_publish() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap();
    runtime.block_on(async {
        let gate = Arc::new(Gate::default());
        let bus = SessionBus::new(16).with_durable_sink(Arc::new(Hanging(gate.clone())));
        let mut cx = Context::from_waker(Waker::noop());
        let mut published = pin!(bus.publish(durable(1)));
        assert!(published.as_mut().poll(&mut cx).is_pending());
        let mut flushed = pin!(bus.flush());
        bus.audit_sink().record_resumed("checkpoint");
        assert!(flushed.as_mut().poll(&mut cx).is_pending());
        gate.open();
        let receipt = timeout(DEADLINE, published).await.unwrap();
        assert!(receipt.unwrap().durable);
        timeout(DEADLINE, flushed).await.unwrap();
    });
}

/// A sink with only `write`, which hangs at each event until the test lets it go.
struct Slow([Gate; 3]);

impl DurableSink for Slow {
    fn write(&self, event: &SessionEvent) -> io::Result<()> {
        self.0[number(&event.clone().into())].pass();
        Ok(())
    }
}

#[test]
fn a_publish_is_told_before_the_sink_has_written_those_behind_it() {
    let sink = Arc::new(Slow(Default::default()));
    let bus = SessionBus::new(16).with_durable_sink(sink.clone());
    std::thread::scope(|scope| {
        scope.spawn(|| bus.emit(durable(0)));
        sink.0[0].wait_for(1);
        let mut cx = Context::from_waker(Waker::noop());
        let mut publishes = [1, 2].map(|i| Box::pin(bus.publish(durable(i))));
        for publish in &mut publishes {
            assert!(publish.as_mut().poll(&mut cx).is_pending());
        }
        sink.0[1].open();
        sink.0[0].open();
        sink.0[2].wait_for(1);
        let told = publishes[0].as_mut().poll(&mut cx).is_ready();
        sink.0[2].open();
        assert!(told, "waits for the disk of the next one");
    });
}
