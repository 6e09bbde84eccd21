//! Models of the hand-over that loom runs through every order of their steps: `cargo xtask loom`.
//!
//! What is left lying there without anybody to come for it, or is handed over twice or out of order, fails the model.

use std::sync::Arc;
use std::sync::atomic::AtomicUsize as Plain;
use std::sync::atomic::Ordering::Relaxed;

use loom::sync::{Condvar, Mutex};
use loom::thread;

use super::*;

/// Runs a model in every order that takes at most `preemptions` switches between threads that
/// could have gone on, and prints how many orders there were.
fn model(name: &str, preemptions: usize, steps: impl Fn() + Sync + Send + 'static) {
    let orders = Arc::new(Plain::new(0));
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(preemptions);
    let counted = Arc::clone(&orders);
    builder.check(move || {
        counted.fetch_add(1, Relaxed);
        steps();
    });
    println!("model {name}: {} orders", orders.load(Relaxed));
}

/// So many catch the hand-over that looks once.
const PREEMPTIONS: usize = 3;

/// A line of numbers, its sink, and the thread that tries again where the sink was full.
struct Model {
    handover: Handover<u32>,
    /// Whether who has the order and finds nothing looks again without it, as a hand-over does.
    looks_again: bool,
    sink: Mutex<Sink>,
    calls: Mutex<usize>,
    called: Condvar,
}

#[derive(Default)]
struct Sink {
    is_full: bool,
    /// The thread that waits for room came in vain, and is to be woken.
    is_awaited: bool,
    taken: Vec<u32>,
}

impl Model {
    fn new() -> Self {
        Self {
            handover: Handover::new(),
            looks_again: true,
            sink: Mutex::default(),
            calls: Mutex::new(0),
            called: Condvar::new(),
        }
    }

    fn looks_once() -> Self {
        Self {
            looks_again: false,
            ..Self::new()
        }
    }

    fn full() -> Self {
        let model = Self::new();
        model.sink.lock().unwrap().is_full = true;
        model
    }

    /// Who waits for room is woken once there is some.
    fn offer(&self, waits: bool) -> Result<(), ()> {
        let mut sink = self.sink.lock().unwrap();
        sink.is_awaited |= sink.is_full && waits;
        if sink.is_full { Err(()) } else { Ok(()) }
    }

    fn place(&self, number: u32) {
        self.sink.lock().unwrap().taken.push(number);
        // Whoever waits looks whether that was the last, and does not try again for it.
        drop(self.calls.lock().unwrap());
        self.called.notify_one();
    }

    /// As a line does it, for who must not wait.
    fn leave(&self, number: u32) {
        let offer = |_: &mut u32| self.offer(false);
        let left = match self.handover.pass(number, offer, |n, ()| self.place(n)) {
            Passed::Taken(()) => None,
            Passed::InTheWay(number) => return self.defer(number),
            Passed::Refused(number) => Some(number),
        };
        self.pump();
        if let Some(number) = left {
            self.defer(number);
        }
    }

    fn defer(&self, number: u32) {
        if self.handover.defer(number, |_, _| false) {
            self.pump();
        }
    }

    /// As a line does it, for who waits for their turn.
    fn send(&self, number: u32) {
        let offer = |_: &mut u32| self.offer(false);
        let _ = self.handover.send(number, offer, |n, ()| self.place(n));
        self.pump();
    }

    fn pump(&self) {
        if self.is_stuck(false) {
            self.call();
        }
    }

    /// Hands over what was deferred. True if the sink is full.
    fn is_stuck(&self, waits: bool) -> bool {
        loop {
            match self.next(waits) {
                Next::Nothing | Next::SeenTo => return false,
                Next::Taken(()) => {}
                Next::Refused(()) => return true,
            }
        }
    }

    fn next(&self, waits: bool) -> Next<(), ()> {
        let offer = |_: &mut u32| self.offer(waits);
        let place = |number, ()| self.place(number);
        if self.looks_again {
            self.handover.next(offer, place)
        } else {
            let looked = self.handover.look(&offer, &place);
            looked.unwrap_or(Next::Nothing)
        }
    }

    fn call(&self) {
        *self.calls.lock().unwrap() += 1;
        self.called.notify_one();
    }

    /// The thread that waits for room, until so many were taken.
    fn wait_for_room(&self, many: usize) {
        loop {
            let mut calls = self.calls.lock().unwrap();
            while *calls == 0 {
                if self.taken().len() == many {
                    return;
                }
                calls = self.called.wait(calls).unwrap();
            }
            *calls -= 1;
            drop(calls);
            // If it is stuck, the sink wakes it.
            self.is_stuck(true);
        }
    }

    fn make_room(&self) {
        let mut sink = self.sink.lock().unwrap();
        sink.is_full = false;
        let is_awaited = std::mem::take(&mut sink.is_awaited);
        drop(sink);
        if is_awaited {
            self.call();
        }
    }

    fn taken(&self) -> Vec<u32> {
        self.sink.lock().unwrap().taken.clone()
    }
}

/// Two leave two numbers each, and a third sends one.
fn two_leave_beside_one_that_sends(model: Model) {
    let model = Arc::new(model);
    let two = [[1, 2], [11, 12]].map(|numbers| {
        let model = Arc::clone(&model);
        thread::spawn(move || numbers.into_iter().for_each(|n| model.leave(n)))
    });
    model.send(21);
    for one in two {
        one.join().unwrap();
    }
    let taken = model.taken();
    assert_eq!(taken.len(), 5, "some are left lying: {taken:?}");
    for of in [[1, 2], [11, 12]] {
        let own = taken.iter().filter(|n| of.contains(n)).copied();
        assert!(own.eq(of), "{taken:?}");
    }
    assert!(taken.contains(&21));
}

#[test]
fn what_two_leave_and_a_third_sends_is_taken_once_in_the_order_of_each() {
    model("two leave beside one that sends", PREEMPTIONS, || {
        two_leave_beside_one_that_sends(Model::new());
    });
}

#[test]
#[should_panic(expected = "left lying")]
fn a_hand_over_that_looks_once_is_caught() {
    model("a hand-over that looks once", PREEMPTIONS, || {
        two_leave_beside_one_that_sends(Model::looks_once());
    });
}

#[test]
fn what_a_full_sink_refused_is_taken_once_it_has_room_again() {
    model("a sink that gets room as it refuses", PREEMPTIONS, || {
        let model = Arc::new(Model::full());
        let leaves = Arc::clone(&model);
        let leaves = thread::spawn(move || {
            [1, 2].into_iter().for_each(|n| leaves.leave(n));
        });
        let room = Arc::clone(&model);
        let room = thread::spawn(move || room.make_room());
        // What is left lying there keeps it waiting for good, which is a deadlock to loom.
        model.wait_for_room(2);
        leaves.join().unwrap();
        room.join().unwrap();
        assert_eq!(model.taken(), [1, 2]);
    });
}
