use std::cell::Cell;
use std::time::Instant;

use bus_log::LogError;
use futures_util::future::{join, join_all};
use tokio::task::yield_now;

use super::Gate;

fn run<T>(work: impl Future<Output = T>) -> T {
    bus_testkit::runtime().block_on(work)
}

#[test]
fn a_failed_attempt_fails_for_all_who_waited_for_it_and_for_nobody_after() {
    let (gate, attempts) = (Gate::<u32>::default(), Cell::new(0));
    let get = || {
        gate.get(Instant::now(), |_| true, async {
            yield_now().await;
            attempts.set(attempts.get() + 1);
            Err(LogError::unavailable("down"))
        })
    };
    let all = run(join_all((0..1000).map(|_| get())));
    assert!(all.iter().all(Result::is_err));
    assert_eq!(attempts.get(), 1);
    assert!(run(get()).is_err());
    assert_eq!(attempts.get(), 2);
}

#[test]
fn what_was_got_is_shared_until_it_is_no_good() {
    let (gate, good) = (Gate::<u32>::default(), Cell::new(true));
    let get = |n| {
        gate.get(Instant::now(), |_| good.get(), async move {
            yield_now().await;
            Ok(n)
        })
    };
    let (first, second) = run(join(get(1), get(2)));
    assert_eq!((first.unwrap(), second.unwrap()), (1, 1));
    good.set(false);
    assert_eq!(run(get(3)).unwrap(), 3);
}

#[test]
fn who_began_before_a_failure_and_comes_after_it_does_not_try_again() {
    let (gate, begun) = (Gate::<u32>::default(), Instant::now());
    let failed = gate.get(begun, |_| true, async {
        Err(LogError::unavailable("down"))
    });
    assert!(run(failed).is_err());
    assert!(run(gate.get(begun, |_| true, async { Ok(1) })).is_err());
    assert_eq!(gate.there(|_| true), None);
    assert_eq!(
        run(gate.get(Instant::now(), |_| true, async { Ok(2) })).unwrap(),
        2
    );
    // It is over.
    assert_eq!(run(gate.get(begun, |_| true, async { Ok(3) })).unwrap(), 2);
    assert_eq!(
        (gate.there(|_| true), gate.there(|_| false)),
        (Some(2), None)
    );
}
