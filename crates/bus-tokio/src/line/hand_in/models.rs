//! A model of the desk that loom runs through every order of its steps: `cargo xtask loom`.

use std::sync::atomic::AtomicUsize as Plain;
use std::sync::atomic::Ordering::Relaxed;

use loom::sync::atomic::AtomicBool;
use loom::thread;

use super::*;

/// Serves the desk until it falls idle.
fn serve(desk: &Desk<Arc<AtomicBool>>) {
    while let Some(work) = desk.next() {
        work.store(true, Relaxed);
    }
}

/// Leaves work, and serves the desk if nobody does. What is left before has its work done by who comes for this.
fn call(desk: &Desk<Arc<AtomicBool>>, work: &Arc<AtomicBool>) {
    if !desk.is_served_with(Arc::clone(work)) {
        serve(desk);
    }
}

#[test]
fn a_desk_that_falls_idle_as_it_is_called_leaves_no_work_undone() {
    let orders = Arc::new(Plain::new(0));
    let counted = Arc::clone(&orders);
    loom::model(move || {
        counted.fetch_add(1, Relaxed);
        let desk = Arc::new(Desk::new());
        // As a line is: whoever is served sees all that was left.
        let work = Arc::new(AtomicBool::new(false));
        let others = [0, 1].map(|_| {
            let (desk, work) = (Arc::clone(&desk), Arc::clone(&work));
            thread::spawn(move || call(&desk, &work))
        });
        call(&desk, &work);
        for other in others {
            other.join().unwrap();
        }
        assert!(work.load(Relaxed));
        let state = desk.lock();
        assert!(
            state.work.is_none() && !state.is_served,
            "nobody comes for it"
        );
    });
    println!(
        "model a desk that falls idle: {} orders",
        orders.load(Relaxed)
    );
}
