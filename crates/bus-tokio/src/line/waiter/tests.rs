use std::cell::Cell;

use super::*;
use crate::ring::Ring;

#[test]
fn a_thread_that_could_not_be_started_once_is_started_at_the_next_call() {
    let calls = Calls(Mutex::new(None));
    let line = Line::new(Arc::new(Ring::new(2)));
    let started = Cell::new(0);
    let start = |with: Option<Sender<Arc<Line>>>| {
        started.set(started.get() + 1);
        with
    };
    assert!(!calls.call(&line, || start(None)));
    let (queue, called) = mpsc::channel();
    assert!(calls.call(&line, || start(Some(queue))));
    assert!(calls.call(&line, || start(None)), "there is one already");
    assert_eq!((started.get(), called.try_iter().count()), (2, 2));
    // One that is gone is replaced.
    drop(called);
    assert!(!calls.call(&line, || start(None)));
    let (queue, called) = mpsc::channel();
    assert!(calls.call(&line, || start(Some(queue))));
    assert_eq!(called.try_iter().count(), 1);
}
