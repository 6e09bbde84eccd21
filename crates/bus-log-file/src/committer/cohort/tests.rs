use std::cell::Cell;

use super::*;

/// A cohort of so many, as if syncs took minutes: what ends the wait is never the time.
fn of(appends: usize) -> Cohort {
    let cohort = Cohort::default();
    cohort.took(appends);
    let minutes = Duration::from_secs(600).as_nanos() as u64;
    cohort.sync_nanos.store(minutes, Ordering::Relaxed);
    cohort
}

/// Counts the looks at a queue to which somebody comes with each look.
fn looks(cohort: &Cohort, most: usize) -> usize {
    let looks = Cell::new(0);
    let there = || {
        looks.set(looks.get() + 1);
        looks.get().min(most)
    };
    cohort.gather(there, || false);
    looks.get()
}

#[test]
fn a_lone_writer_and_a_few_are_not_waited_for() {
    for appends in 0..FEW {
        assert_eq!(looks(&of(appends), usize::MAX), 1);
    }
}

#[test]
fn as_many_are_waited_for_as_shared_the_last_group() {
    assert_eq!(looks(&of(64), usize::MAX), 64);
}

#[test]
fn nobody_is_waited_for_once_they_stop_coming() {
    assert_eq!(looks(&of(64), 10), 10 + IN_VAIN as usize);
}

#[test]
fn those_who_are_being_told_are_waited_for() {
    let (told, there) = (Cell::new(0), Cell::new(1));
    of(8).gather(
        || there.get(),
        || {
            told.set(told.get() + 1);
            if told.get() == 100 {
                there.set(8);
            }
            true
        },
    );
    assert_eq!(told.get(), 100);
}

#[test]
fn the_wait_ends_after_half_a_sync() {
    let cohort = of(64);
    cohort.sync_nanos.store(2_000_000, Ordering::Relaxed);
    let start = Instant::now();
    cohort.gather(|| 1, || true);
    assert!(start.elapsed() >= Duration::from_millis(1));
}

#[test]
fn the_length_of_a_sync_follows_what_syncs_take() {
    let cohort = Cohort::default();
    for _ in 0..100 {
        cohort.synced(Duration::from_micros(100));
    }
    let mean = cohort.sync_nanos.load(Ordering::Relaxed);
    assert!((99_000..=101_000).contains(&mean), "{mean}");
}

#[test]
fn a_disk_that_hangs_makes_nobody_wait_long() {
    let cohort = Cohort::default();
    for _ in 0..100 {
        cohort.synced(Duration::from_secs(100));
    }
    let mean = Duration::from_nanos(cohort.sync_nanos.load(Ordering::Relaxed));
    assert!(mean <= LONGEST, "{mean:?}");
}
