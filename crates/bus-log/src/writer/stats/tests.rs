use super::*;

fn take(ledger: &mut Ledger) -> u64 {
    ledger.open_unit()
}

fn write(ledger: &mut Ledger, epoch: u64) {
    ledger.settle_unit(epoch);
}

#[test]
fn a_flush_of_nothing_is_over_at_once() {
    let mut ledger = Ledger::default();
    for _ in 0..5 {
        let begun = ledger.epoch();
        assert!(ledger.is_flushed(begun));
    }
}

#[test]
fn a_flush_waits_for_what_was_taken_before_it_and_for_nothing_after() {
    let mut ledger = Ledger::default();
    let before = take(&mut ledger);
    let begun = ledger.epoch();
    assert!(!ledger.is_flushed(begun));
    let after = take(&mut ledger);
    write(&mut ledger, before);
    assert!(ledger.is_flushed(begun));
    write(&mut ledger, after);
}

#[test]
fn flushes_that_overlap_each_wait_for_their_own() {
    let mut ledger = Ledger::default();
    let a = take(&mut ledger);
    let first = ledger.epoch();
    assert!(!ledger.is_flushed(first));
    let b = take(&mut ledger);
    let second = ledger.epoch();
    assert!(!ledger.is_flushed(second));
    // Settled out of order: the second must not be taken for over.
    write(&mut ledger, b);
    assert!(!ledger.is_flushed(second));
    assert!(!ledger.is_flushed(first));
    write(&mut ledger, a);
    assert!(ledger.is_flushed(first));
    assert!(ledger.is_flushed(second));
}

#[test]
fn a_flush_that_nobody_polls_any_more_hinders_no_other() {
    let mut ledger = Ledger::default();
    let a = take(&mut ledger);
    let given_up = ledger.epoch();
    assert!(!ledger.is_flushed(given_up));
    write(&mut ledger, a);
    let b = take(&mut ledger);
    let begun = ledger.epoch();
    assert!(!ledger.is_flushed(begun));
    write(&mut ledger, b);
    assert!(ledger.is_flushed(begun));
}

#[test]
fn the_sink_s_room_is_bounded_in_events_and_in_bytes() {
    let mut ledger = Ledger::default();
    assert_eq!(ledger.admit_sink(50, 2, 10), Admission::Taken, "alone");
    assert_eq!(ledger.admit_sink(1, 2, 10), Admission::Full);
    ledger.settle(&Tally {
        sink: 1,
        sink_bytes: 50,
        ..Tally::default()
    });
    assert_eq!(ledger.admit_sink(1, 2, 10), Admission::Taken);
    assert_eq!(ledger.admit_sink(1, 2, 10), Admission::Taken);
    assert_eq!(ledger.admit_sink(1, 2, 10), Admission::Full);
    ledger.close();
    assert_eq!(ledger.admit_sink(1, 9, 10), Admission::Closed);
    assert_eq!(ledger.stats(0), AuditStats::default());
}

#[test]
fn what_is_settled_after_giving_up_changes_nothing() {
    let mut ledger = Ledger::default();
    let epoch = take(&mut ledger);
    ledger.close();
    assert!(ledger.is_open());
    ledger.give_up(3);
    assert!(!ledger.is_open());
    write(&mut ledger, epoch);
    ledger.settle(&Tally {
        written: 3,
        ..Tally::default()
    });
    let stats = ledger.stats(0);
    assert_eq!((stats.accepted, stats.written, stats.dropped), (3, 0, 3));
    let begun = ledger.epoch();
    assert!(ledger.is_flushed(begun));
}

proptest::proptest! {
    /// Against a model that remembers, for each flush, what was open when it began.
    #[test]
    fn a_flush_is_over_exactly_when_what_it_waits_for_is_settled(
        steps in proptest::collection::vec((0..3_u8, proptest::prelude::any::<proptest::sample::Index>()), 0..80),
    ) {
        let mut ledger = Ledger::default();
        let mut open: Vec<(usize, u64)> = Vec::new();
        let mut flushes: Vec<(u64, Vec<usize>)> = Vec::new();
        for (n, (step, index)) in steps.into_iter().enumerate() {
            match step {
                0 => open.push((n, take(&mut ledger))),
                1 if !open.is_empty() => {
                    let (_, epoch) = open.remove(index.index(open.len()));
                    write(&mut ledger, epoch);
                }
                1 => {}
                _ => flushes.push((ledger.epoch(), open.iter().map(|(n, _)| *n).collect())),
            }
            // Waiters are asked in any order and more than once.
            for _ in 0..2 {
                for (begun, waits_for) in flushes.iter().rev() {
                    let over = ledger.is_flushed(*begun);
                    let settled = |n: &usize| open.iter().all(|(open, _)| open != n);
                    proptest::prop_assert!(!over || waits_for.iter().all(settled));
                }
            }
            if open.is_empty() {
                for (begun, _) in &flushes {
                    proptest::prop_assert!(ledger.is_flushed(*begun));
                }
            }
        }
    }
}
