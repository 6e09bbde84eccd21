use super::*;

#[test]
fn a_line_per_model_is_counted_whatever_stands_before_it() {
    let text = "\nrunning 2 tests\n\
                model lag: 120 orders\n\
                test ring::models::lag ... model push against park: 7 orders\n\
                ok\ntest result: ok. 2 passed; model x\n";
    assert_eq!(counts(text), [("lag", 120), ("push against park", 7)]);
}

#[test]
fn what_no_model_printed_is_not_counted() {
    assert!(counts("model lag: many orders\n3 orders\nmodel of 3: 4\n").is_empty());
}
