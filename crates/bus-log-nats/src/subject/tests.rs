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
fn what_is_live_is_nothing_that_a_stream_of_a_log_stores() {
    let key = ThreadKey::new(TenantId::new("acme"), "s");
    let subjects = Subjects::new("team.a");
    let all = subjects.all();
    let log = all.split('.').nth(3).unwrap();
    for (subject, kind) in [
        (subjects.live_words(&key), 'w'),
        (subjects.live_hellos(&key), 'h'),
    ] {
        let (tenant, thread) = (encoded("acme"), encoded("s"));
        assert_eq!(
            subject,
            format!("team.a.live.{log}.{kind}.{tenant}.{thread}")
        );
        assert!(!subject.starts_with(all.trim_end_matches('>')));
        assert_eq!(last_name(&subject).unwrap(), "s");
    }
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
