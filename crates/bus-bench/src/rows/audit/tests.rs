use super::*;

#[test]
fn what_stands_behind_a_later_one_of_its_caller_is_reordered() {
    assert_eq!(reordered(&[(0, 1), (1, 1), (0, 2), (1, 2)]), 0);
    assert_eq!(reordered(&[(0, 2), (0, 1), (0, 3), (0, 0)]), 2);
    assert_eq!(
        reordered(&[(0, 9), (1, 1)]),
        0,
        "another caller's order is its own"
    );
}
