//! Models of a slot that loom runs through every order of their steps: `cargo xtask loom`.

use std::sync::atomic::AtomicUsize as Plain;
use std::sync::atomic::Ordering::Relaxed;

use bus_core::{SessionEvent, TenantId, Ticket};
use futures_util::FutureExt;
use loom::thread;

use super::*;
use crate::LogWriterConfig;
use crate::writer::queue::Work;

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

/// A slot, and what stands for its writer.
struct Model {
    slot: Slot,
    account: Arc<Account>,
}

impl Model {
    fn new() -> Arc<Self> {
        let key = ThreadKey::new(TenantId::new("acme"), "s");
        Arc::new(Self {
            slot: Slot::new(key, Arc::default()),
            account: Account::new(LogWriterConfig::default()),
        })
    }

    /// Pushes a record. True if the writer has to be started.
    #[must_use]
    fn push(&self) -> bool {
        let entry = Entry::from(SessionEvent::Done);
        let pushed = self.slot.push_record(&self.account, entry, 1, None);
        assert!(pushed.refused.is_none());
        pushed.start
    }

    /// Takes until nothing is left, as a writer does that is at its end. Returns how much it took.
    fn drain(&self) -> usize {
        let mut taken = 0;
        while !self.slot.rest(Writer::Absent, None) {
            taken += self.take();
        }
        taken
    }

    /// Takes all that waits. Returns how much it was.
    fn take(&self) -> usize {
        let mut backlog = Backlog::new(Arc::default());
        self.slot.refill(&mut backlog);
        let mut work = Work::default();
        work.fill(&mut backlog, usize::MAX, usize::MAX);
        work.len()
    }

    /// Drains as often as a writer is started.
    fn push_and_drain(&self) -> usize {
        if self.push() { self.drain() } else { 0 }
    }
}

#[test]
fn nothing_is_left_behind_by_a_writer_that_ends() {
    model("slot: nothing is left behind", 3, || {
        let model = Model::new();
        assert!(model.push(), "the first starts the writer");
        let pushers: Vec<_> = (0..2)
            .map(|_| {
                let model = Arc::clone(&model);
                thread::spawn(move || model.push_and_drain())
            })
            .collect();
        let mut taken = model.drain();
        for pusher in pushers {
            taken += pusher.join().unwrap();
        }
        assert_eq!(taken, 3);
    });
}

#[test]
fn what_somebody_waits_for_wakes_a_writer_that_lingers() {
    model("slot: a lingering writer is woken", 3, || {
        let model = Model::new();
        assert!(model.push());
        let other = Arc::clone(&model);
        let pusher = thread::spawn(move || {
            let (ticket, done) = Ticket::pending();
            let entry = Entry::from(SessionEvent::Done);
            let pushed = other.slot.push_record(&other.account, entry, 1, Some(done));
            drop(ticket);
            usize::from(pushed.start)
        });
        let mut taken = model.take();
        while !model.slot.rest(Writer::Lingering, None) {
            taken += model.take();
        }
        assert_eq!(pusher.join().unwrap(), 0, "it is there");
        let nudged = model.slot.nudge.notified().now_or_never().is_some();
        assert!(nudged || taken == 2, "it would sleep on");
    });
}
