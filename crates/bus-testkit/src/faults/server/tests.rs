use super::*;

#[test]
fn more_rounds_can_be_asked_for_and_fewer_cannot() {
    assert_eq!(at_least(5, None), 5);
    assert_eq!(at_least(5, Some("100")), 100);
    assert_eq!(at_least(400, Some("100")), 400);
}
