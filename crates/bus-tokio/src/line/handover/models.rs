//! A model of the hand-over that loom runs through every order of their steps: `cargo xtask loom`.
//!
//! What is left lying there without anybody to come for it, or is handed over twice or out of order, fails the model.

use std::sync::Arc;
use std::sync::atomic::AtomicUsize as Plain;
use std::sync::atomic::Ordering::Relaxed;

use loom::sync::Mutex;
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

/// A line of numbers, and its sink.
struct Model {
    handover: Handover<u32>,
    sink: Mutex<Vec<u32>>,
}

impl Model {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            handover: Handover::new(),
            sink: Mutex::new(Vec::new()),
        })
    }

    fn offer(&self, _: &mut u32) -> Result<(), ()> {
        Ok(())
    }

    fn place(&self, number: u32) {
        self.sink.lock().unwrap().push(number);
    }

    /// As a line does it, for who must not wait.
    fn leave(&self, number: u32) {
        let offer = |number: &mut u32| self.offer(number);
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
        let offer = |number: &mut u32| self.offer(number);
        let _ = self.handover.send(number, offer, |n, ()| self.place(n));
        self.pump();
    }

    fn pump(&self) {
        loop {
            let offer = |number: &mut u32| self.offer(number);
            match self.handover.next(offer, |n, ()| self.place(n)) {
                Next::Nothing | Next::SeenTo => return,
                Next::Taken(()) => {}
                Next::Refused(()) => unreachable!("the sink has room"),
            }
        }
    }

    fn taken(&self) -> Vec<u32> {
        self.sink.lock().unwrap().clone()
    }
}

#[test]
fn what_two_leave_and_a_third_sends_is_taken_once_in_the_order_of_each() {
    model("two leave beside one that sends", 3, || {
        let model = Model::new();
        let two = [[1, 2], [11, 12]].map(|numbers| {
            let model = Arc::clone(&model);
            thread::spawn(move || numbers.into_iter().for_each(|n| model.leave(n)))
        });
        model.send(21);
        for one in two {
            one.join().unwrap();
        }
        let taken = model.taken();
        assert_eq!(taken.len(), 5, "{taken:?}");
        for of in [[1, 2], [11, 12]] {
            let own = taken.iter().filter(|n| of.contains(n)).copied();
            assert!(own.eq(of), "{taken:?}");
        }
        assert!(taken.contains(&21));
    });
}
