//! Many that wait, wherever they run.

use std::future::Future;
use std::pin::pin;
use std::sync::atomic::AtomicUsize;
use std::task::Wake;
use std::thread;
use std::time::{Duration, Instant};

use tokio::runtime;

use super::super::parked::{FEW, LaneName, MANY, Rouser};
use super::*;

const DEADLINE: Duration = Duration::from_secs(30);

/// Counts how often it is woken, and how often by the shared thread.
#[derive(Default)]
struct Count {
    woken: AtomicUsize,
    by_thread: AtomicUsize,
}

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        if thread::current().name() == Some("bus-rouser") {
            self.by_thread.fetch_add(1, Ordering::SeqCst);
        }
        self.woken.fetch_add(1, Ordering::SeqCst);
    }
}

fn wait_until(what: impl Fn() -> bool) {
    let start = Instant::now();
    while !what() {
        assert!(start.elapsed() < DEADLINE, "it never happened");
        thread::yield_now();
    }
}

/// Receivers that wait by way of `count`'s waker.
fn parked(ring: &Arc<Ring>, many: usize, count: &Arc<Count>) -> Vec<Receiver> {
    let waker = Waker::from(Arc::clone(count));
    let mut receivers: Vec<_> = (0..many).map(|_| ring.subscribe()).collect();
    for receiver in &mut receivers {
        assert!(poll(receiver, &waker).is_pending());
    }
    receivers
}

#[test]
fn whoever_is_woken_after_the_rouser_is_there() {
    let woken = Arc::new(Count::default());
    let waker = Waker::from(Arc::clone(&woken));
    let mut parked = Parked::default();
    let seats: Vec<_> = (0..FEW + 2).map(|_| parked.join()).collect();
    for seat in &seats {
        drop(parked.park(*seat, LaneName::Near, waker.clone()));
    }
    drop(parked.leave(seats[0]));
    *parked.rouser(LaneName::Near) = Rouser::Idle(Waker::noop().clone());
    let mut wakers = Wakers::default();
    let mut quota = parked.call(&mut wakers);
    parked.take(&mut quota, &mut wakers);
    wakers.wake();
    assert_eq!(woken.woken.load(Ordering::SeqCst), 1);
}

#[test]
fn a_seat_taken_over_wakes_its_new_owner() {
    let ring = Arc::new(Ring::new(2));
    let (old, new) = (Arc::default(), Arc::default());
    let _other = ring.subscribe();
    drop(parked(&ring, 1, &old));
    let _receiver = parked(&ring, 1, &new);
    push(&ring);
    assert_eq!(old.woken.load(Ordering::SeqCst), 0);
    assert_eq!(new.woken.load(Ordering::SeqCst), 1);
}

#[test]
fn a_crowd_without_a_runtime_is_woken_by_the_shared_thread() {
    let ring = Arc::new(Ring::new(8));
    let count = Arc::new(Count::default());
    let mut receivers = parked(&ring, MANY + 100, &count);
    let waker = Waker::from(Arc::clone(&count));
    for round in 1..=20 {
        // The thread is called, or soon will have nothing more to do for the last round.
        wait_until(|| matches!(ring.lock().parked.rouser(LaneName::Away), Rouser::Idle(_)));
        push(&ring);
        wait_until(|| count.woken.load(Ordering::SeqCst) == round * (MANY + 100));
        let by_thread = count.by_thread.load(Ordering::SeqCst);
        assert_eq!(
            by_thread,
            round * (MANY + 99),
            "the emitter woke more than one"
        );
        for receiver in &mut receivers {
            assert!(poll(receiver, &waker).is_ready());
            assert!(poll(receiver, &waker).is_pending());
        }
    }
}

#[test]
fn up_to_32_without_a_runtime_are_woken_by_the_emitter() {
    let ring = Arc::new(Ring::new(8));
    let count = Arc::new(Count::default());
    let _receivers = parked(&ring, MANY, &count);
    push(&ring);
    assert_eq!(count.woken.load(Ordering::SeqCst), MANY);
    assert_eq!(count.by_thread.load(Ordering::SeqCst), 0);
}

#[test]
fn a_waker_that_panics_does_not_keep_others_from_being_woken() {
    struct Panics;
    impl Wake for Panics {
        fn wake(self: Arc<Self>) {
            panic!("a waker of somebody else's");
        }
    }
    let ring = Arc::new(Ring::new(8));
    let count = Arc::new(Count::default());
    let mut receivers = parked(&ring, 10, &count);
    let panics = Waker::from(Arc::new(Panics));
    for index in 0..100 {
        let mut receiver = ring.subscribe();
        if index % 3 == 0 {
            assert!(poll(&mut receiver, &panics).is_pending());
        }
        receivers.push(receiver);
    }
    receivers.extend(parked(&ring, 50, &count));
    push(&ring);
    wait_until(|| count.woken.load(Ordering::SeqCst) == 60);
    ring.close();
}

#[test]
fn close_wakes_a_crowd() {
    let ring = Arc::new(Ring::new(8));
    let count = Arc::new(Count::default());
    let _receivers = parked(&ring, 500, &count);
    ring.close();
    wait_until(|| count.woken.load(Ordering::SeqCst) == 500);
}

/// Tasks on `runtime` that read to the end, and how many envelopes they have seen.
fn readers(runtime: &runtime::Runtime, ring: &Arc<Ring>, many: usize) -> Arc<AtomicUsize> {
    let seen = Arc::new(AtomicUsize::new(0));
    for _ in 0..many {
        read(runtime, ring.subscribe(), &seen);
    }
    seen
}

/// One such task.
fn read(runtime: &runtime::Runtime, mut receiver: Receiver, seen: &Arc<AtomicUsize>) {
    let seen = Arc::clone(seen);
    runtime.spawn(async move {
        let mut next = |cx: &mut Context<'_>| receiver.poll_recv(cx, 1, drop);
        while std::future::poll_fn(&mut next).await.is_ok() {
            seen.fetch_add(1, Ordering::SeqCst);
        }
    });
}

fn has_rouser(ring: &Ring) -> bool {
    matches!(ring.lock().parked.rouser(LaneName::Near), Rouser::Idle(_))
}

fn single() -> runtime::Runtime {
    let runtime = runtime::Builder::new_current_thread().build();
    runtime.expect("a runtime of one thread can be had")
}

#[test]
fn a_crowd_within_a_runtime_is_woken_by_a_task_of_the_bus() {
    let ring = Arc::new(Ring::new(8));
    let runtime = single();
    let seen = readers(&runtime, &ring, 100);
    let run = || runtime.block_on(async { tokio::task::yield_now().await });
    let run_until = |many: usize| {
        wait_until(|| {
            run();
            seen.load(Ordering::SeqCst) == many
        })
    };
    // The first time they park, nobody knows yet that the runtime is driven.
    run_until(0);
    push(&ring);
    run_until(100);
    wait_until(|| {
        run();
        has_rouser(&ring) && ring.lock().parked.waiting(LaneName::Near) == 100
    });
    for round in 2..10 {
        push(&ring);
        // The emitter has woken one, and the task that wakes the rest.
        assert_eq!(ring.lock().parked.waiting(LaneName::Near), 99);
        run_until(round * 100);
        wait_until(|| {
            run();
            has_rouser(&ring) && ring.lock().parked.waiting(LaneName::Near) == 100
        });
    }
    ring.close();
}

#[test]
fn one_that_waits_on_a_logs_runtime_has_no_rouser_spawned_there() {
    let ring = Arc::new(Ring::new(8));
    let (own, logs) = (single(), single());
    let turn = |runtime: &runtime::Runtime| {
        runtime.block_on(async { tokio::task::yield_now().await });
    };
    let seen = readers(&own, &ring, FEW);
    turn(&own);
    // The one by whom they are a crowd.
    let away = Arc::default();
    read(&logs, ring.subscribe().away(), &away);
    turn(&logs);
    let more = readers(&own, &ring, 30);
    let all_seen = |round: usize| {
        wait_until(|| {
            turn(&own);
            turn(&logs);
            let own = seen.load(Ordering::SeqCst) + more.load(Ordering::SeqCst);
            own == round * (FEW + 30) && away.load(Ordering::SeqCst) == round
        });
    };
    all_seen(0);
    // The first time they park, nobody knows yet that their runtime is driven.
    push(&ring);
    all_seen(1);
    wait_until(|| {
        turn(&own);
        has_rouser(&ring) && ring.lock().parked.waiting(LaneName::Near) == FEW + 30
    });
    push(&ring);
    // The emitter has woken one of theirs, the task that wakes the rest, and the one elsewhere.
    assert_eq!(ring.lock().parked.waiting(LaneName::Near), FEW + 29);
    assert_eq!(ring.lock().parked.waiting(LaneName::Away), 0);
    all_seen(2);
    ring.close();
}

#[test]
fn a_task_that_reads_a_busy_bus_yields_for_every_128_looks_at_it() {
    let ring = Arc::new(Ring::new(16_384));
    let runtime = single();
    let seen = readers(&runtime, &ring, 1);
    for _ in 0..10_000 {
        push(&ring);
    }
    let mut turns = Vec::new();
    while seen.load(Ordering::SeqCst) < 10_000 {
        let before = seen.load(Ordering::SeqCst);
        runtime.block_on(async { tokio::task::yield_now().await });
        turns.push(seen.load(Ordering::SeqCst) - before);
    }
    assert_eq!(turns, [4_096, 4_096, 1_808]);
    ring.close();
}

#[test]
fn few_within_a_runtime_are_woken_by_the_emitter() {
    let ring = Arc::new(Ring::new(8));
    let runtime = single();
    let _seen = readers(&runtime, &ring, FEW);
    runtime.block_on(async { tokio::task::yield_now().await });
    push(&ring);
    assert!(ring.lock().parked.is_empty());
    assert!(ring.lock().home.is_none());
}

#[test]
fn a_rouser_ends_with_the_last_receiver() {
    let ring = Arc::new(Ring::new(8));
    let runtime = single();
    let mut receivers = Vec::new();
    let alive = |runtime: &runtime::Runtime| runtime.metrics().num_alive_tasks();
    runtime.block_on(async {
        for _ in 0..10 {
            let mut receiver = ring.subscribe();
            receivers.push(tokio::spawn(async move {
                std::future::poll_fn(|cx| receiver.poll_recv(cx, 1, drop)).await
            }));
        }
        tokio::task::yield_now().await;
        tokio::task::yield_now().await;
        assert!(has_rouser(&ring));
        push(&ring);
        for receiver in receivers {
            receiver.await.unwrap().unwrap();
        }
    });
    wait_until(|| {
        runtime.block_on(async { tokio::task::yield_now().await });
        alive(&runtime) == 0
    });
    assert!(ring.lock().home.is_none());
}

#[test]
fn receivers_outlive_the_runtime_that_their_rouser_ran_on() {
    let ring = Arc::new(Ring::new(8));
    let runtime = single();
    let _seen = readers(&runtime, &ring, 10);
    let count = Arc::new(Count::default());
    let _others = parked(&ring, 10, &count);
    wait_until(|| {
        runtime.block_on(async { tokio::task::yield_now().await });
        has_rouser(&ring)
    });
    drop(runtime);
    assert!(ring.lock().home.is_none());
    let woken = count.woken.load(Ordering::SeqCst);
    let new = Arc::new(Count::default());
    let _new = parked(&ring, 10, &new);
    push(&ring);
    assert_eq!(new.woken.load(Ordering::SeqCst), 10);
    assert_eq!(
        woken, 10,
        "the end of a rouser wakes all, to find their way anew"
    );
    // Another runtime takes over.
    let runtime = single();
    let _seen = readers(&runtime, &ring, 20);
    wait_until(|| {
        runtime.block_on(async { tokio::task::yield_now().await });
        has_rouser(&ring)
    });
    ring.close();
}

/// The tasks of a `LocalSet` have tokio's wakers, and any executor may run them.
#[test]
fn a_runtime_that_nobody_drives_is_not_relied_on() {
    let ring = Arc::new(Ring::new(8));
    let runtime = single();
    let _entered = runtime.enter();
    let local = tokio::task::LocalSet::new();
    let seen = Arc::new(AtomicUsize::new(0));
    for _ in 0..MANY {
        let mut receiver = ring.subscribe();
        let seen = Arc::clone(&seen);
        local.spawn_local(async move {
            let mut next = |cx: &mut Context<'_>| receiver.poll_recv(cx, 1, drop);
            while std::future::poll_fn(&mut next).await.is_ok() {
                seen.fetch_add(1, Ordering::SeqCst);
            }
        });
    }
    let mut local = pin!(local);
    let mut run = || local.as_mut().poll(&mut Context::from_waker(Waker::noop()));
    assert!(run().is_pending());
    for round in 1..5 {
        push(&ring);
        assert!(run().is_pending());
        assert_eq!(seen.load(Ordering::SeqCst), round * MANY);
    }
    assert!(
        ring.lock().home.is_some(),
        "a rouser was spawned, and never ran"
    );
    ring.close();
    assert!(run().is_ready());
}

#[test]
fn a_stuck_runtime_holds_up_nobody_elsewhere() {
    let ring = Arc::new(Ring::new(64));
    let stuck = single();
    let _asleep = readers(&stuck, &ring, 50);
    wait_until(|| {
        stuck.block_on(async { tokio::task::yield_now().await });
        has_rouser(&ring)
    });
    // From here on nobody drives it.
    let runtime = runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .build()
        .unwrap();
    let seen = readers(&runtime, &ring, 50);
    for round in 1..=20 {
        push(&ring);
        wait_until(|| seen.load(Ordering::SeqCst) == round * 50);
    }
    ring.close();
}
