use super::passed_in;

#[test]
fn what_passed_is_summed_over_all_binaries_and_a_failure_is_none() {
    let text = "test a ... ok\n\ntest result: ok. 3 passed; 0 failed; 0 ignored\n\
                test result: FAILED. 5 passed; 1 failed\ntest result: ok. 2 passed; 0 failed\n";
    assert_eq!(passed_in(text), 5);
    assert_eq!(passed_in("running 0 tests\n"), 0);
}
