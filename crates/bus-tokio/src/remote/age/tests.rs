use super::*;

const MINUTES: Duration = Duration::from_secs(600);
const HOURS: Duration = Duration::from_secs(14 * 3600);

#[test]
fn a_night_that_a_machine_was_suspended_counts() {
    assert_eq!(Age::of(MINUTES, HOURS), HOURS);
}

#[test]
fn a_wall_clock_that_was_set_back_takes_nothing_away() {
    assert_eq!(Age::of(HOURS, MINUTES), HOURS);
    let age = Age {
        awake: Instant::now().checked_sub(MINUTES).unwrap(),
        wall: SystemTime::now() + HOURS,
    };
    assert!(age.so_far() >= MINUTES);
}
