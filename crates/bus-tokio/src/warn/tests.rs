use std::panic::{AssertUnwindSafe, catch_unwind};

use super::*;

#[test]
fn what_is_said_while_saying_is_not_said_and_the_next_is() {
    let said = Cell::new(0);
    let say = || said.set(said.get() + 1);
    once(|| once(|| once(say)));
    assert_eq!(said.get(), 0);
    let panicked = catch_unwind(AssertUnwindSafe(|| once(|| panic!("a bad subscriber"))));
    assert!(panicked.is_err());
    once(say);
    assert_eq!(said.get(), 1);
}
