use std::cell::Cell;

use super::*;

#[test]
fn a_thread_that_could_not_be_started_is_asked_for_again_but_not_at_once() {
    let calls = Calls(Mutex::new(State::NONE));
    let started = Cell::new(0);
    let call = |with: Option<Sender<Arc<Job>>>| {
        let job = Arc::new(Job(Weak::new()));
        calls.call(job, || {
            started.set(started.get() + 1);
            with
        })
    };
    assert!(!call(None));
    let (queue, jobs) = mpsc::channel();
    assert!(!call(Some(queue.clone())), "it is too soon");
    assert_eq!(started.get(), 1);
    calls.0.lock().unwrap().refused = Instant::now().checked_sub(PAUSE);
    assert!(call(Some(queue)));
    assert!(call(None), "there is one already");
    assert_eq!((started.get(), jobs.try_iter().count()), (2, 2));
}
