use std::process::Command;

use super::shown;

#[test]
fn what_a_child_writes_to_both_its_outputs_is_read() {
    let script = "echo first; echo aside >&2; echo second; printf unended >&2; exit 3";
    let (text, success) = shown(Command::new("sh").args(["-c", script])).unwrap();
    assert_eq!(text, "first\nsecond\naside\nunended\n");
    assert!(!success);
    let (text, success) = shown(Command::new("sh").args(["-c", ":"])).unwrap();
    assert_eq!((&*text, success), ("", true));
}

#[test]
fn a_child_that_fills_one_output_before_the_other_does_not_hang() {
    let script = "seq 1 40000 >&2; seq 1 40000";
    let (text, success) = shown(Command::new("sh").args(["-c", script])).unwrap();
    assert!(success);
    assert_eq!(text.lines().count(), 80_000);
}
