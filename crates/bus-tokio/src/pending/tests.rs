use proptest::prelude::*;

use super::*;

#[test]
fn nothing_overtakes_the_first_that_has_not_settled() {
    let mut pending = Pending::new();
    let [a, b, c] = ["a", "b", "c"].map(|thing| pending.push(thing));
    pending.settle(c, 3);
    pending.settle(b, 2);
    assert_eq!(pending.pop_settled(), None);
    pending.settle(a, 1);
    let left: Vec<_> = std::iter::from_fn(|| pending.pop_settled()).collect();
    assert_eq!(left, [("a", 1), ("b", 2), ("c", 3)]);
}

#[test]
fn a_thing_settles_once_and_a_place_is_not_given_again() {
    let mut pending = Pending::new();
    let first = pending.push("first");
    pending.settle(first, 1);
    pending.settle(first, 2);
    assert_eq!(pending.pop_settled(), Some(("first", 1)));
    let second = pending.push("second");
    pending.settle(first, 3);
    assert_eq!(pending.pop_settled(), None);
    pending.settle(second, 4);
    assert_eq!(pending.pop_settled(), Some(("second", 4)));
}

#[test]
fn those_before_a_place_can_be_settled_by_what_they_are() {
    let mut pending = Pending::new();
    let [early, _, _, late, _] = ["a", "b", "c", "b", "b"].map(|thing| pending.push(thing));
    pending.settle(early, 1);
    pending.settle_before(late, |thing| (*thing == "b").then_some(2));
    assert_eq!(pending.pop_settled(), Some(("a", 1)));
    assert_eq!(pending.pop_settled(), Some(("b", 2)));
    assert_eq!(pending.pop_settled(), None, "c was settled");
    pending.settle_before(early, |_| Some(3));
    assert_eq!(
        pending.pop_settled(),
        None,
        "a place long gone settled something"
    );
}

#[derive(Clone, Debug)]
enum Step {
    Push,
    /// Settles one of those that have not, by its index among them.
    Settle(prop::sample::Index),
    Pop,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        Just(Step::Push),
        any::<prop::sample::Index>().prop_map(Step::Settle),
        Just(Step::Pop),
    ];
    prop::collection::vec(step, 0..200)
}

proptest! {
    #[test]
    fn all_leave_once_in_order_and_as_soon_as_they_can(steps in steps()) {
        let mut pending = Pending::new();
        let mut unsettled: Vec<(usize, Place)> = Vec::new();
        let mut pushed = 0;
        let mut left = 0;
        for step in steps {
            match step {
                Step::Push => {
                    unsettled.push((pushed, pending.push(pushed)));
                    pushed += 1;
                }
                Step::Settle(_) if unsettled.is_empty() => {}
                Step::Settle(which) => {
                    let (thing, place) = unsettled.remove(which.index(unsettled.len()));
                    pending.settle(place, thing * 10);
                }
                Step::Pop => {
                    let waits = unsettled.iter().any(|(thing, _)| *thing == left);
                    let expected = (left < pushed && !waits).then_some((left, left * 10));
                    prop_assert_eq!(pending.pop_settled(), expected);
                    left += usize::from(expected.is_some());
                }
            }
        }
        for (thing, place) in unsettled {
            pending.settle(place, thing * 10);
        }
        let rest: Vec<_> = std::iter::from_fn(|| pending.pop_settled()).collect();
        prop_assert_eq!(rest, (left..pushed).map(|thing| (thing, thing * 10)).collect::<Vec<_>>());
    }
}
