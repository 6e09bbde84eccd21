use std::future::poll_fn;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use futures_util::FutureExt;

use super::*;

const DEADLINE: Duration = Duration::from_secs(10);

/// A future that is over once it is told to be, and how it is told.
#[derive(Default)]
struct Switch {
    state: Mutex<(bool, Option<Waker>)>,
    polls: AtomicUsize,
}

impl Switch {
    fn future(self: &Arc<Self>) -> BoxFuture<'static, u64> {
        let switch = Arc::clone(self);
        poll_fn(move |cx| {
            switch.polls.fetch_add(1, Ordering::SeqCst);
            let mut state = lock(&switch.state);
            if state.0 {
                return Poll::Ready(7);
            }
            state.1 = Some(cx.waker().clone());
            Poll::Pending
        })
        .boxed()
    }

    fn turn_on(&self) {
        let mut state = lock(&self.state);
        state.0 = true;
        let waker = state.1.take();
        drop(state);
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

/// A waker that does something.
struct Does<F: Fn() + Send + Sync>(F);

impl<F: Fn() + Send + Sync> Wake for Does<F> {
    fn wake(self: Arc<Self>) {
        (self.0)();
    }
}

fn waker(does: impl Fn() + Send + Sync + 'static) -> Waker {
    Waker::from(Arc::new(Does(does)))
}

fn poll<T: Clone>(shared: &mut Shared<T>, waker: &Waker) -> Poll<T> {
    Pin::new(shared).poll(&mut Context::from_waker(waker))
}

#[test]
fn all_that_wait_are_woken_and_told_and_one_of_them_drives() {
    let switch = Arc::new(Switch::default());
    let woken = Arc::new(AtomicUsize::new(0));
    let counts = waker({
        let woken = Arc::clone(&woken);
        move || {
            woken.fetch_add(1, Ordering::SeqCst);
        }
    });
    let first = Shared::new(switch.future());
    let mut all = [first.clone(), first.clone(), first];
    for shared in &mut all {
        assert!(poll(shared, &counts).is_pending());
        assert_eq!(shared.peek(), None);
    }
    switch.turn_on();
    assert_eq!(woken.load(Ordering::SeqCst), 3);
    let before = switch.polls.load(Ordering::SeqCst);
    for shared in &mut all {
        assert_eq!(poll(shared, &counts), Poll::Ready(7));
    }
    assert_eq!(switch.polls.load(Ordering::SeqCst), before + 1);
}

#[test]
fn a_waker_that_polls_in_place_does_not_wait_for_itself() {
    let switch = Arc::new(Switch::default());
    let first = Shared::new(switch.future());
    let (done, over) = mpsc::channel();
    // Elsewhere, so that a deadlock fails the test.
    std::thread::spawn(move || {
        let in_waker = Mutex::new(first.clone());
        let (told, hears) = mpsc::channel();
        let told = Mutex::new(told);
        let polls = waker(move || {
            let polled = poll(&mut lock(&in_waker), Waker::noop());
            lock(&told).send(polled).unwrap();
        });
        let mut first = first;
        assert!(poll(&mut first, &polls).is_pending());
        switch.turn_on();
        done.send(hears.recv().unwrap()).unwrap();
    });
    let polled = over.recv_timeout(DEADLINE);
    assert_eq!(polled.expect("it waits for itself"), Poll::Ready(7));
}

#[test]
fn a_waker_that_panics_stops_no_other() {
    let switch = Arc::new(Switch::default());
    let woken = Arc::new(AtomicUsize::new(0));
    let first = Shared::new(switch.future());
    let mut all = Vec::new();
    for n in 0..20 {
        let woken = Arc::clone(&woken);
        let waker = waker(move || {
            woken.fetch_add(1, Ordering::SeqCst);
            assert!(n % 2 == 0, "a waker of somebody else's");
        });
        let mut shared = first.clone();
        assert!(poll(&mut shared, &waker).is_pending());
        all.push(shared);
    }
    switch.turn_on();
    assert_eq!(woken.load(Ordering::SeqCst), 20);
    for shared in &mut all {
        assert_eq!(poll(shared, Waker::noop()), Poll::Ready(7));
    }
}

#[test]
fn one_that_is_dropped_leaves_the_others_the_future_and_takes_its_waker() {
    let switch = Arc::new(Switch::default());
    let held = Arc::new(());
    let mut drives = Shared::new(switch.future());
    let mut stays = drives.clone();
    let own = waker({
        let held = Arc::clone(&held);
        move || drop(Arc::clone(&held))
    });
    assert!(poll(&mut drives, &own).is_pending());
    drop(own);
    assert!(poll(&mut stays, Waker::noop()).is_pending());
    drop(drives);
    assert_eq!(Arc::strong_count(&held), 1, "its waker is kept");
    switch.turn_on();
    assert_eq!(poll(&mut stays, Waker::noop()), Poll::Ready(7));
}

#[test]
fn a_wake_from_within_a_poll_is_not_overlooked() {
    let mut polls = 0;
    let future = poll_fn(move |cx| {
        polls += 1;
        cx.waker().wake_by_ref();
        if polls == 3 {
            Poll::Ready(polls)
        } else {
            Poll::Pending
        }
    });
    let woken = Arc::new(AtomicUsize::new(0));
    let counts = waker({
        let woken = Arc::clone(&woken);
        move || {
            woken.fetch_add(1, Ordering::SeqCst);
        }
    });
    let mut shared = Shared::new(future.boxed());
    assert!(poll(&mut shared, &counts).is_pending());
    assert_eq!(woken.load(Ordering::SeqCst), 1);
    assert!(poll(&mut shared, &counts).is_pending());
    assert_eq!(woken.load(Ordering::SeqCst), 2);
    assert_eq!(poll(&mut shared, &counts), Poll::Ready(3));
}

#[test]
fn the_last_gets_the_outcome_itself() {
    let outcome = Arc::new(());
    let future = std::future::ready(outcome).boxed();
    let mut first = Shared::new(future);
    let mut last = first.clone();
    let Poll::Ready(copy) = poll(&mut first, Waker::noop()) else {
        panic!("it was ready");
    };
    drop(copy);
    let Poll::Ready(outcome) = poll(&mut last, Waker::noop()) else {
        panic!("it was ready");
    };
    assert_eq!(Arc::strong_count(&outcome), 1);
    assert_eq!(last.peek(), None);
    assert!(last.downgrade().is_none());
}

#[test]
fn a_panic_is_everybodys_and_nobody_waits_for_it() {
    let switch = Arc::new(Switch::default());
    let future = switch.future().map(|_| panic!("the log's")).boxed();
    let woken = Arc::new(AtomicUsize::new(0));
    let counts = waker({
        let woken = Arc::clone(&woken);
        move || {
            woken.fetch_add(1, Ordering::SeqCst);
        }
    });
    let mut first: Shared<()> = Shared::new(future);
    let mut second = first.clone();
    assert!(poll(&mut first, Waker::noop()).is_pending());
    assert!(poll(&mut second, &counts).is_pending());
    switch.turn_on();
    assert_eq!(woken.load(Ordering::SeqCst), 1);
    for shared in [&mut first, &mut second] {
        let polled = catch_unwind(AssertUnwindSafe(|| poll(shared, Waker::noop())));
        assert!(polled.is_err());
    }
}

#[test]
fn many_threads_are_all_told() {
    for _ in 0..200 {
        let switch = Arc::new(Switch::default());
        let first = Shared::new(switch.future());
        std::thread::scope(|scope| {
            for _ in 0..4 {
                let shared = first.clone();
                scope.spawn(move || {
                    let told = block_on(shared);
                    assert_eq!(told, 7);
                });
            }
            scope.spawn(|| switch.turn_on());
        });
    }
}

fn block_on<T: Clone>(mut shared: Shared<T>) -> T {
    let thread = std::thread::current();
    let begun = Instant::now();
    let unparks = waker(move || thread.unpark());
    loop {
        assert!(begun.elapsed() < DEADLINE, "it is never woken");
        match poll(&mut shared, &unparks) {
            Poll::Ready(outcome) => return outcome,
            Poll::Pending => std::thread::park_timeout(DEADLINE),
        }
    }
}
