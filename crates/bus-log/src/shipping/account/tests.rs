use std::time::{Duration, Instant};

use super::{Account, MARKS};

#[test]
fn the_oldest_waits_since_it_was_appended_and_not_since_the_first() {
    let begun = Instant::now();
    let at = |n: u64| begun + Duration::from_secs(n);
    let mut account = Account::new(0, 0);
    for n in 1..=10 {
        account.appended(n, n, 7, at(n));
    }
    assert_eq!((account.waiting(), account.bytes), (10, 70));
    assert_eq!(account.waits_since(), Some(at(1)));
    account.shipped_to(4, 28);
    assert_eq!((account.waiting(), account.bytes), (6, 42));
    assert_eq!(account.waits_since(), Some(at(5)));
    account.shipped_to(10, 0);
    assert_eq!((account.waiting(), account.bytes), (0, 0));
    assert_eq!(account.waits_since(), None);
}

#[test]
fn marks_are_bounded_and_thinning_makes_nothing_younger() {
    let begun = Instant::now();
    let mut account = Account::new(0, 0);
    for n in 1..=100_000 {
        account.appended(n, n, 1, begun + Duration::from_secs(n));
        assert!(account.marks.len() <= MARKS);
    }
    for shipped in (0..100_000).step_by(997) {
        account.shipped_to(shipped, 0);
        let since = account.waits_since().unwrap();
        assert!(
            since <= begun + Duration::from_secs(shipped + 1),
            "at {shipped}"
        );
    }
}

#[test]
fn what_was_shipped_before_its_append_returned_does_not_wait() {
    let mut account = Account::new(3, 3);
    account.shipped_to(5, 0);
    account.appended(4, 5, 20, Instant::now());
    assert_eq!((account.waiting(), account.bytes), (0, 0));
}
