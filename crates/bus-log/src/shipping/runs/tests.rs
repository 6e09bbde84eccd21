use std::time::{Duration, Instant};

use super::{MOST, Runs};

/// So many events of seven bytes each, a second apart.
fn runs(events: u64, begun: Instant) -> Runs {
    let mut runs = Runs::default();
    for n in 1..=events {
        runs.cover(0, n, begun + Duration::from_secs(n), false);
        runs.size(n, n, 7);
        assert!(runs.runs.len() <= MOST);
    }
    runs
}

#[test]
fn the_oldest_waits_since_it_was_appended_and_not_since_the_first() {
    let begun = Instant::now();
    let at = |n: u64| Some(begun + Duration::from_secs(n));
    let mut runs = runs(10, begun);
    assert_eq!((runs.bytes(), runs.since()), (70, at(1)));
    runs.shipped(1, 4, 28);
    assert_eq!((runs.bytes(), runs.since()), (42, at(5)));
    runs.shipped(5, 10, 42);
    assert_eq!((runs.bytes(), runs.since()), (0, None));
}

#[test]
fn runs_are_bounded_and_joining_them_makes_nothing_younger_and_loses_no_byte() {
    let begun = Instant::now();
    let mut runs = runs(100_000, begun);
    let mut shipped = 0;
    for last in (997..100_000).step_by(997) {
        runs.shipped(shipped + 1, last, 997 * 7);
        shipped = last;
        assert_eq!(runs.bytes(), (100_000 - last) * 7);
        let since = runs.since().unwrap();
        assert!(since <= begun + Duration::from_secs(last + 1), "at {last}");
    }
}

#[test]
fn what_was_found_before_it_was_told_is_sized_once_it_is() {
    let now = Instant::now();
    let mut runs = Runs::default();
    runs.cover(0, 5, now, true);
    assert_eq!((runs.bytes(), runs.unsized_events()), (0, 5));
    runs.size(4, 5, 20);
    assert_eq!((runs.bytes(), runs.unsized_events()), (20, 3));
    // Those of unknown size come first.
    runs.shipped(1, 3, 999);
    assert_eq!((runs.bytes(), runs.unsized_events()), (20, 0));
    runs.shipped(4, 4, 10);
    assert_eq!(runs.bytes(), 10);
}

#[test]
fn a_page_of_both_takes_its_share_of_each() {
    let now = Instant::now();
    let mut runs = Runs::default();
    runs.cover(0, 6, now, true);
    runs.cover(0, 10, now, false);
    runs.size(7, 10, 40);
    runs.shipped(1, 8, 80);
    assert_eq!((runs.bytes(), runs.unsized_events()), (20, 0));
}

#[test]
fn what_others_shipped_takes_its_share_where_no_page_says_how_much() {
    let begun = Instant::now();
    let mut runs = Runs::default();
    runs.cover(0, 8, begun, false);
    runs.size(1, 8, 80);
    runs.shipped_to(5);
    assert_eq!(runs.bytes(), 30);
    runs.shipped_to(9);
    assert_eq!((runs.bytes(), runs.since()), (0, None));
}

#[test]
fn only_what_was_found_is_dated_by_its_own_time() {
    let begun = Instant::now() + Duration::from_secs(60);
    let before = begun - Duration::from_secs(30);
    let mut runs = Runs::default();
    runs.cover(0, 2, begun, true);
    runs.cover(0, 4, begun, false);
    runs.date(2, before);
    assert_eq!(runs.since(), Some(begun));
    runs.date(1, before);
    assert_eq!(runs.since(), Some(before));
    runs.shipped_to(2);
    runs.date(3, before);
    assert_eq!(runs.since(), Some(begun));
}
