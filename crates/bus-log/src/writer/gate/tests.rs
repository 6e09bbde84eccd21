use super::*;

#[test]
fn it_is_full_by_number_and_by_bytes_and_takes_the_one_that_passes_the_bytes() {
    let gate = Gate::default();
    assert_eq!(gate.enter(1_000, 2, 10), Passage::In);
    assert_eq!(gate.enter(1, 2, 10), Passage::Full);
    gate.leave(1, 1_000);
    assert_eq!(gate.enter(9, 2, 10), Passage::In);
    assert_eq!(gate.enter(9, 2, 10), Passage::In);
    assert_eq!(gate.enter(0, 2, 100), Passage::Full);
    gate.leave(2, 18);
    assert_eq!(gate.records(), 0);
}

#[test]
fn the_largest_weights_and_numbers_do_not_run_into_each_other() {
    let gate = Gate::default();
    assert_eq!(gate.enter(1, MOST_RECORDS, MOST_BYTES), Passage::In);
    assert_eq!(
        gate.enter(weight_of(usize::MAX), MOST_RECORDS, MOST_BYTES),
        Passage::In
    );
    assert_eq!(gate.records(), 2);
    assert_eq!(gate.enter(0, MOST_RECORDS, MOST_BYTES), Passage::Full);
    gate.leave(1, weight_of(usize::MAX));
    gate.leave(1, 1);
    assert_eq!(gate.0.load(Ordering::Relaxed), 0);
    for _ in 0..3 {
        assert_eq!(gate.enter(0, 3, 1), Passage::In);
    }
    assert_eq!(gate.enter(0, 3, 1), Passage::Full);
}

#[test]
fn closed_it_lets_nobody_in_and_everybody_out() {
    let gate = Gate::default();
    assert_eq!(gate.enter(5, 9, 9), Passage::In);
    gate.close();
    assert_eq!(gate.enter(5, 9, 9), Passage::Closed);
    assert_eq!(gate.records(), 1);
    gate.leave(1, 5);
    assert_eq!(gate.give_up(), 0);
    assert!(gate.is_closed());
}

#[test]
fn callers_that_crowd_it_never_get_in_past_its_bounds() {
    let gate = Gate::default();
    let most = std::sync::atomic::AtomicU64::new(0);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..20_000 {
                    if gate.enter(3, 2, 1_000) == Passage::In {
                        most.fetch_max(gate.records(), Ordering::Relaxed);
                        gate.leave(1, 3);
                    }
                }
            });
        }
    });
    assert!((1..=2).contains(&most.into_inner()));
    assert_eq!(gate.0.load(Ordering::Relaxed), 0);
}
