use bus_log::{TenantId, ThreadKey};
use proptest::prelude::*;

use super::*;

proptest! {
    #[test]
    fn names_come_back_keep_their_order_and_are_one_token(a in ".{1,40}", b in ".{1,40}") {
        let (x, y) = (encoded(&a), encoded(&b));
        prop_assert_eq!(x.cmp(&y), a.cmp(&b));
        prop_assert!(!x.contains(['.', '*', '>', ' ', '\r', '\n']));
        prop_assert_eq!(last_name(&format!("p.v1.x.t.{x}.{y}")).unwrap(), b);
    }
}

#[test]
fn the_longest_names_fit_into_a_line_of_the_protocol() {
    let name = "\u{10ffff}".repeat(256);
    let key = ThreadKey::new(TenantId::new(&name), &name);
    let subject = Subjects::new(&"p".repeat(128)).thread(&key);
    // 4096 by default, with the reply's subject and the sizes on it.
    assert!(subject.len() < 3500, "{}", subject.len());
}

#[test]
fn a_log_s_subjects_are_found_again_by_what_the_stream_stores() {
    let subjects = Subjects::new("team.a");
    assert_eq!(subjects.prefix(), "team.a");
    assert_eq!(Subjects::of_stream(&subjects.all()), Some(subjects.clone()));
    assert_ne!(Subjects::new("team.a"), subjects, "each log has its own");
    for other in [
        "bus_log.>",
        "x.v1.0123.>",
        "v1.0123456789abcdef.>",
        "x.v2.0123456789abcdef.>",
        "x.v1.0123456789abcdef",
    ] {
        assert_eq!(Subjects::of_stream(other), None, "{other}");
    }
}

#[test]
fn a_token_that_stands_for_no_name_is_damage() {
    for token in ["a", "!!", "zzzz"] {
        assert!(last_name(token).is_err(), "{token}");
    }
}
