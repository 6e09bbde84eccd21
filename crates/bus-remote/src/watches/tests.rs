use futures_util::FutureExt;

use super::Watches;

#[test]
fn news_wakes_those_who_wait_for_that_thread() {
    let watches = Watches::default();
    let (mut one, mut same, mut other) = (watches.add(1), watches.add(1), watches.add(2));
    assert!(one.woken().now_or_never().is_none());
    watches.wake(&1);
    assert!(one.woken().now_or_never().is_some());
    assert!(same.woken().now_or_never().is_some());
    assert!(other.woken().now_or_never().is_none());
    watches.wake_all();
    assert!(other.woken().now_or_never().is_some());
}

#[test]
fn news_that_comes_before_the_wait_is_not_lost() {
    let watches = Watches::default();
    let mut watch = watches.add(1);
    watches.wake(&1);
    watches.wake(&1);
    assert!(watch.woken().now_or_never().is_some());
    assert!(watch.woken().now_or_never().is_none());
}

#[test]
fn a_thread_that_nobody_waits_for_is_forgotten() {
    let watches = Watches::default();
    let (first, second) = (watches.add(1), watches.add(1));
    drop(first);
    assert_eq!(watches.senders().len(), 1);
    drop(second);
    assert!(watches.senders().is_empty());
}
