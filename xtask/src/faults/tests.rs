use super::*;

#[test]
fn what_a_test_printed_is_read_with_its_name() {
    let text = "running 2 tests\ntest faults::a ... ok\n\nsuccesses:\n\n\
                ---- faults::a stdout ----\n3 kills, none lost\n4 pauses\n\n\
                ---- faults::b stdout ----\nnothing\n\n\
                successes:\n    faults::a\n\ntest result: ok. 2 passed\n";
    let expected = [
        ("faults::a", "3 kills, none lost"),
        ("faults::a", "4 pauses"),
        ("faults::b", "nothing"),
    ];
    assert_eq!(said(text), expected);
}
