use super::*;

#[test]
fn a_key_has_one_value_as_long_as_somebody_holds_it() {
    let mut map = WeakMap::default();
    let first = map.get_or_insert_with(&"a", || 1);
    assert!(Arc::ptr_eq(&first, &map.get_or_insert_with(&"a", || 2)));
    assert_eq!(*map.get_or_insert_with(&"b", || 3), 3);
    drop(first);
    assert_eq!(*map.get_or_insert_with(&"a", || 4), 4);
}

#[test]
fn values_that_nobody_holds_are_swept_out() {
    let mut map = WeakMap::default();
    let kept = map.get_or_insert_with(&0, || 0);
    for n in 1..10_000 {
        map.get_or_insert_with(&n, || n);
    }
    assert!(map.values.len() <= 64);
    assert!(Arc::ptr_eq(&kept, &map.get_or_insert_with(&0, || 1)));
}
