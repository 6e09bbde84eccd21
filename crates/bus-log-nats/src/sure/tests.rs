use super::*;
use crate::fold::Step;

#[test]
fn a_word_is_void_on_every_state_that_it_may_meet() {
    for base in [0, 7, u64::MAX] {
        let base = State {
            seq: base.min(9),
            last: base,
            ..State::default()
        };
        let (head, _) = wire::parse(void(&base)).unwrap().unwrap();
        assert_eq!(head.base, base);
        assert_eq!(base.step(10, &head), Step::Void);
        assert_eq!(State::default().step(10, &head), Step::Void);
    }
}
