use std::sync::Arc;

use bus_testkit::samples::key;
use futures_util::FutureExt;

use super::Turns;

#[test]
fn turns_of_one_key_come_in_the_order_of_the_calls() {
    let turns = Arc::new(Turns::default());
    let (mut first, mut second, mut third) = (
        turns.join(&key("a")),
        turns.join(&key("a")),
        turns.join(&key("a")),
    );
    assert!(first.come().now_or_never().is_some());
    assert!(second.come().now_or_never().is_none());
    drop(first);
    // The wait that was given up has lost nothing: its place is still before the third.
    assert!(third.come().now_or_never().is_none());
    drop(second);
    assert!(turns.join(&key("a")).come().now_or_never().is_none());
    drop(third);
}

#[test]
fn another_key_waits_for_nobody() {
    let turns = Arc::new(Turns::default());
    let held = turns.join(&key("a"));
    assert!(turns.join(&key("b")).come().now_or_never().is_some());
    drop(held);
}

#[test]
fn a_queue_that_everybody_left_is_forgotten() {
    let turns = Arc::new(Turns::default());
    let places: Vec<_> = (0..3).map(|_| turns.join(&key("a"))).collect();
    drop(places);
    assert!(turns.queues().queues.is_empty());
}

#[test]
fn whoever_left_comes_again_before_those_who_queue_up_later() {
    let turns = Arc::new(Turns::default());
    let mut first = turns.join(&key("a"));
    assert!(first.come().now_or_never().is_some());
    let mut again = first.leave().rejoin().unwrap();
    assert!(again.come().now_or_never().is_some());
    let mut later = turns.join(&key("a"));
    assert!(later.come().now_or_never().is_none());
    drop(again);
    assert!(later.come().now_or_never().is_some());
}

#[test]
fn whoever_left_does_not_come_again_after_a_later_one() {
    let turns = Arc::new(Turns::default());
    let waiting = turns.join(&key("a")).leave();
    let later = turns.join(&key("a"));
    assert!(waiting.rejoin().is_none());
    let place = later.leave();
    // Also if that one has come and gone.
    drop(turns.join(&key("a")));
    drop(turns.join(&key("b")));
    assert!(place.rejoin().is_none());
    assert!(turns.queues().queues.is_empty());
}
