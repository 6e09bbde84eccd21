use super::*;

#[test]
fn many_kills_without_a_take_over_or_a_journal_to_bring_home_prove_nothing() {
    assert_eq!(untried(MANY, 1, 1), None);
    assert_eq!(untried(MANY - 1, 0, 0), None);
    for (taken, journals) in [(0, 1), (1, 0)] {
        let told = untried(MANY, taken, journals).unwrap();
        assert!(told.contains("after 60 kills"), "{told}");
    }
}
