//! In which order those that wait are woken, and that nobody waits for another's turn.

use std::sync::Mutex;
use std::task::Wake;
use std::thread;
use std::time::{Duration, Instant};

use super::super::parked::MANY;
use super::*;

const DEADLINE: Duration = Duration::from_secs(30);

/// Who was woken, in order.
type Order = Arc<Mutex<Vec<usize>>>;

/// Notes its number when it is woken.
struct Numbered(usize, Order);

impl Wake for Numbered {
    fn wake(self: Arc<Self>) {
        self.1.lock().expect("nobody panics").push(self.0);
    }
}

fn wakers(many: usize, order: &Order) -> Vec<Waker> {
    let waker = |number| Arc::new(Numbered(number, Arc::clone(order))).into();
    (0..many).map(waker).collect()
}

/// Waits until so many were woken, and forgets them.
fn woken(order: &Order, many: usize) -> Vec<usize> {
    let start = Instant::now();
    while order.lock().expect("nobody panics").len() < many {
        assert!(start.elapsed() < DEADLINE, "somebody sleeps on");
        thread::yield_now();
    }
    std::mem::take(&mut order.lock().expect("nobody panics"))
}

#[test]
fn those_that_an_emitter_wakes_are_woken_in_the_order_in_which_they_parked() {
    let ring = Arc::new(Ring::new(8));
    let order = Order::default();
    let wakers = wakers(MANY, &order);
    let mut receivers: Vec<_> = wakers.iter().map(|_| ring.subscribe()).collect();
    for round in 0..5 {
        let parked: Vec<_> = (0..MANY).map(|turn| (turn * 5 + round) % MANY).collect();
        for &number in &parked {
            assert!(poll(&mut receivers[number], &wakers[number]).is_pending());
        }
        push(&ring);
        assert_eq!(*order.lock().expect("nobody panics"), parked);
        order.lock().expect("nobody panics").clear();
        for (receiver, waker) in receivers.iter_mut().zip(&wakers) {
            assert!(poll(receiver, waker).is_ready());
        }
    }
}

#[test]
fn a_crowd_is_woken_in_the_order_in_which_it_parked() {
    let ring = Arc::new(Ring::new(8));
    let order = Order::default();
    let many = MANY + 101;
    let wakers = wakers(many, &order);
    let mut receivers: Vec<_> = wakers.iter().map(|_| ring.subscribe()).collect();
    for round in 0..5 {
        let parked: Vec<_> = (0..many).map(|turn| (turn * 5 + round) % many).collect();
        for &number in &parked {
            assert!(poll(&mut receivers[number], &wakers[number]).is_pending());
        }
        push(&ring);
        let mut woken = woken(&order, many);
        // The emitter wakes the first while the thread goes through the rest.
        woken.retain(|number| *number != parked[0]);
        assert_eq!(woken, parked[1..]);
        for (receiver, waker) in receivers.iter_mut().zip(&wakers) {
            assert!(poll(receiver, waker).is_ready());
        }
    }
}

/// One that reads and waits anew within its waker, before others have had their turn.
struct Greedy {
    numbered: Numbered,
    /// None once the test is over: a waker that holds its receiver would keep it for ever.
    receiver: Mutex<Option<Receiver>>,
}

impl Greedy {
    fn wait(self: &Arc<Self>) -> usize {
        let waker = Waker::from(Arc::clone(self));
        let mut receiver = self.receiver.lock().expect("nobody panics");
        let mut read = 0;
        if let Some(receiver) = &mut *receiver {
            while poll(receiver, &waker).is_ready() {
                read += 1;
            }
        }
        read
    }
}

impl Wake for Greedy {
    fn wake(self: Arc<Self>) {
        if self.wait() > 0 {
            self.numbered
                .1
                .lock()
                .expect("nobody panics")
                .push(self.numbered.0);
        }
    }
}

#[test]
fn whoever_waits_anew_at_once_comes_after_all_that_wait_already() {
    for many in [MANY, MANY + 101] {
        let ring = Arc::new(Ring::new(64));
        let order = Order::default();
        let greedy: Vec<_> = (0..many)
            .map(|number| {
                let numbered = Numbered(number, Arc::clone(&order));
                let receiver = Mutex::new(Some(ring.subscribe()));
                Arc::new(Greedy { numbered, receiver })
            })
            .collect();
        assert!(greedy.iter().all(|one| one.wait() == 0));
        for _ in 0..20 {
            push(&ring);
            let mut woken = woken(&order, many);
            woken.sort_unstable();
            assert!(woken.into_iter().eq(0..many), "each once in a round");
        }
        for one in &greedy {
            let receiver = one.receiver.lock().expect("nobody panics").take();
            drop(receiver);
        }
    }
}
