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

#[test]
fn a_test_that_printed_nothing_is_named_too() {
    let text = "running 5 tests\ntest faults::a ... ok\ntest faults::b ... law X skipped\nok\n\
                test live::c ... FAILED\ntest live::d - should panic ... ok\nok\n\nsuccesses:\n\n\
                ---- faults::a stdout ----\n3 kills, none lost\n4 pauses\n\n\
                successes:\n    faults::a\n    faults::b\n\ntest result: ok. 3 passed\n";
    assert_eq!(passed(text), ["faults::a", "faults::b", "live::d"]);
    let expected = "| faults::a | 3 kills, none lost |\n\
                    | faults::a | 4 pauses |\n\
                    | faults::b | passed |\n\
                    | live::d | passed |\n";
    assert_eq!(table(text), expected);
}

#[test]
fn what_was_not_tried_is_no_pass_and_a_child_is_no_test() {
    let text = "test faults::a ... ok\ntest faults::child_that_appends ... ok\n\ntest result: ok. 2 passed\n\
                skipped: b on nats: no such account\nskipped: b on nats: no such account\n";
    assert_eq!(table(text), "| faults::a | passed |\n");
    let expected = "\nNot tried here, though the test counts as passed:\n\n- skipped: b on nats: no such account\n";
    assert_eq!(skipped(text), expected);
    assert_eq!(skipped("test faults::a ... ok\n"), "");
}
