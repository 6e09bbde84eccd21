use super::*;

#[test]
fn picks_members_by_name_whatever_their_order() {
    let [b, a, c] = pick(r#"{"a" : 1 ,"x":[{}],"b":{"c":2}}"#, ["b", "a", "c"]);
    assert_eq!((b, a, c), (Some(r#"{"c":2}"#), Some("1"), None));
}

#[test]
fn null_and_other_kinds_read_as_absent() {
    assert_eq!(get(Some(r#"{"a":null}"#), "a"), None);
    assert_eq!(get(Some("[1]"), "a"), None);
    assert_eq!(get_text(Some(r#"{"a":1}"#), "a"), None);
    assert_eq!(uint(Some(r#""5""#)), None);
}

#[test]
fn the_last_of_a_repeated_key_counts() {
    assert_eq!(get(Some(r#"{"a":1,"a":2}"#), "a"), Some("2"));
}

#[test]
fn half_a_surrogate_pair_is_replaced_in_values_and_in_keys() {
    let raw = r#"{"\ud83d":"x","a":"cut \ud83d"}"#;
    let value = get_text(Some(raw), "a").unwrap();
    assert!(value.starts_with("cut \u{fffd}"), "{value}");
}

#[test]
fn escapes_are_resolved() {
    assert_eq!(text(Some(r#""a\n\u00e9""#)).unwrap(), "a\né");
}

#[test]
fn numbers_are_read_leniently() {
    assert_eq!(uint(Some("12")), Some(12));
    assert_eq!(uint(Some("12.7")), Some(12));
    assert_eq!(uint(Some("-3")), Some(0));
    assert_eq!(uint(Some("1e400")), None);
    assert_eq!(uint(Some("true")), None);
}

#[test]
fn times_are_cut_to_microseconds() {
    let time = time(Some(r#""2026-01-01T00:00:00.123456789Z""#)).unwrap();
    assert_eq!(time.timestamp_subsec_nanos(), 123_456_000);
    assert_eq!(super::time(Some(r#""yesterday""#)), None);
}

#[test]
fn each_element_of_an_array_is_seen() {
    let mut seen = Vec::new();
    each(Some(r#"[1, "two" ,{"x":[3]}]"#), |raw| seen.push(raw));
    assert_eq!(seen, ["1", r#""two""#, r#"{"x":[3]}"#]);
    each(Some("{}"), |_| panic!("not an array"));
    each(None, |_| panic!("nothing"));
}
