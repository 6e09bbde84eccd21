//! A few kills of real processes. The many are `cargo xtask crash --only 'kill -9'`.

use std::path::Path;

use bus_crash::process::kill_9;
use bus_crash::sweep::Effort;

#[test]
fn what_killed_processes_acknowledged_is_there_once_and_was_followed() {
    let program = Path::new(env!("CARGO_BIN_EXE_bus-crash"));
    let tally = kill_9(program, &Effort::default(), 8);
    let told: String = tally.violations.iter().map(ToString::to_string).collect();
    assert!(tally.violated == 0, "{told}");
    assert_eq!(tally.points, 8);
    let count = |kind: &str| {
        tally
            .outcomes
            .iter()
            .find(|(known, _)| *known == kind)
            .unwrap()
            .1
    };
    assert!(count("events acknowledged") > 0);
    assert!(count("events followed") >= count("events acknowledged"));
}

#[test]
fn a_program_that_can_not_be_run_is_a_violation() {
    let tally = kill_9(Path::new("/nonexistent"), &Effort::default(), 1);
    assert_eq!((tally.points, tally.violated), (0, 1));
}
