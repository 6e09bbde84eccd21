use super::*;

#[test]
fn the_entry_set_first_is_forgotten_first() {
    let mut recent = Recent::new(2);
    for key in ["a", "b", "a", "c"] {
        recent.set(key, key.to_owned());
    }
    assert_eq!(recent.get("a"), None);
    assert_eq!(recent.get("b").map(String::as_str), Some("b"));
    assert_eq!(recent.drain_where(|value| value == "c"), ["c"]);
    assert_eq!(recent.drain_where(|_| true), ["b"]);
    assert_eq!(recent.drain_where(|_| true), Vec::<String>::new());
}

#[test]
fn a_removed_entry_makes_room() {
    let mut recent = Recent::new(2);
    recent.set("a", 1);
    recent.set("b", 2);
    assert_eq!(recent.remove("b"), Some(2));
    recent.set("c", 3);
    assert_eq!(recent.get("a"), Some(&1));
    assert_eq!(recent.remove("x"), None);
    *recent.get_mut("a").unwrap() = 5;
    assert_eq!(recent.drain_where(|_| true), [5, 3]);
}
