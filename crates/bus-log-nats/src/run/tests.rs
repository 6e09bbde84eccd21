use super::*;

#[test]
fn what_lies_between_is_ours_only_where_all_of_it_is() {
    let runs = Runs::default();
    for seq in [5, 6, 7, 9, 10] {
        assert!(runs.add(1, seq));
    }
    assert!(runs.hold(1, 5, 7) && runs.hold(1, 6, 6) && runs.hold(1, 9, 10));
    assert!(!runs.hold(1, 4, 7) && !runs.hold(1, 7, 9) && !runs.hold(1, 10, 11));
    // Answers that come out of order close the gap.
    assert!(runs.add(1, 8));
    assert!(runs.hold(1, 5, 10));
    assert!(runs.add(1, 4));
    assert!(runs.hold(1, 4, 10));
    assert!(
        !runs.hold(1, 3, 10) && !runs.hold(1, 9, 7),
        "a range that is none"
    );
}

#[test]
fn a_sequence_that_is_given_twice_shows_that_all_are_given_anew() {
    let runs = Runs::default();
    for seq in 5..=10 {
        assert!(runs.add(1, seq));
    }
    assert!(!runs.add(1, 7));
    assert!(runs.hold(1, 7, 7) && !runs.hold(1, 5, 5) && !runs.hold(1, 8, 10));
}

#[test]
fn a_new_connection_knows_nothing_of_before() {
    let runs = Runs::default();
    assert!(runs.add(1, 5));
    assert!(!runs.hold(2, 5, 5));
    assert!(runs.add(2, 6));
    assert!(!runs.hold(2, 5, 6) && runs.hold(2, 6, 6) && !runs.hold(1, 5, 5));
}

#[test]
fn old_runs_are_forgotten() {
    let runs = Runs::default();
    for n in 0..1000 {
        assert!(runs.add(0, n * 2));
    }
    assert!(!runs.hold(0, 0, 0) && runs.hold(0, 1998, 1998));
}
