use super::*;

#[test]
fn the_median_of_an_even_number_lies_between_the_middle_two() {
    assert_eq!(median(&[4.0, 1.0, 3.0, 2.0]), Some(2.5));
    assert_eq!(median(&[9.0, 1.0, 5.0]), Some(5.0));
}

#[test]
fn nothing_has_no_median_and_no_summary() {
    assert_eq!(median(&[]), None);
    assert_eq!(Summary::of(&[]), None);
}

#[test]
fn what_is_no_number_gives_no_figure() {
    assert_eq!(Summary::of(&[1.0, f64::NAN]), None);
    assert_eq!(Summary::of(&[1.0, f64::INFINITY]), None);
}

#[test]
fn the_spread_is_the_width_over_the_median() {
    let summary = Summary::of(&[90.0, 100.0, 120.0]).unwrap();
    assert!((summary.spread() - 0.3).abs() < 1e-9);
    assert_eq!(Summary::of(&[7.0, 7.0]).unwrap().spread(), 0.0);
    assert_eq!(
        Summary::of(&[0.0, 0.0, 1.0]).unwrap().spread(),
        f64::INFINITY
    );
}

#[test]
fn percentiles_are_ranks_of_what_was_measured() {
    let mut latencies = Latencies::with_capacity(100);
    (1..=100).rev().for_each(|nanos| latencies.add(nanos));
    assert_eq!(latencies.percentile(0.50), 50.0);
    assert_eq!(latencies.percentile(0.99), 99.0);
    assert_eq!(latencies.percentile(1.0), 100.0);
    assert_eq!(latencies.percentile(0.0), 1.0);
    assert_eq!(latencies.max(), 100.0);
}

#[test]
fn a_percentile_of_few_calls_is_one_of_them() {
    let mut latencies = Latencies::default();
    assert_eq!(latencies.percentile(0.99), 0.0);
    latencies.add(7);
    assert_eq!(latencies.percentile(0.99), 7.0);
    let mut more = Latencies::default();
    more.add(3);
    latencies.extend(more);
    assert_eq!(latencies.percentile(0.5), 3.0);
}
