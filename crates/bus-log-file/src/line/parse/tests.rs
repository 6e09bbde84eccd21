use proptest::prelude::*;

use super::*;

proptest! {
    #[test]
    fn hex_is_what_formatting_writes(sum in any::<u32>()) {
        prop_assert_eq!(hex(sum).to_vec(), format!("{sum:08x}").into_bytes());
    }

    #[test]
    fn a_number_has_one_spelling(number in any::<u64>(), zeros in 0..3_usize) {
        let text = number.to_string();
        prop_assert_eq!(super::number(text.as_bytes()), Some((number, &b""[..])));
        let padded = "0".repeat(zeros) + &text;
        prop_assert_eq!(super::number(padded.as_bytes()).is_some(), zeros == 0);
    }

    #[test]
    fn a_value_ends_where_json_ends(
        names in prop::collection::vec(any::<String>(), 0..4),
        deep in 0..5_usize,
        rest in any::<Vec<u8>>(),
    ) {
        let inner = serde_json::json!({"a": names, "b": [{}, [], 1.5e3, null, true, "}]\"\\"]});
        let text = format!("{}{inner}{}", "[{\"x\":".repeat(deep), "}]".repeat(deep));
        let mut bytes = text.clone().into_bytes();
        bytes.extend_from_slice(&rest);
        prop_assert_eq!(value_end(&bytes), Some(text.len()));
        for name in &names {
            let text = serde_json::to_string(name).unwrap();
            prop_assert_eq!(value_end(format!("{text},").as_bytes()), Some(text.len()));
        }
    }

    #[test]
    fn no_bytes_make_the_search_for_an_end_panic(
        bytes in prop::collection::vec(prop::sample::select(br#"{}[]",:\a1"#.to_vec()), 0..40)
    ) {
        let _ = (value_end(&bytes), object_end(&bytes));
    }
}

#[test]
fn a_number_that_is_too_large_is_none() {
    assert_eq!(number(b"18446744073709551616"), None);
    assert_eq!(number(b"99999999999999999999"), None);
    assert_eq!(number(b""), None);
    assert_eq!(number(b"+1"), None);
}

#[test]
fn the_leading_type_is_the_type_or_none() {
    let line = |event: &'static str| Line {
        ordinal: 1,
        number: 1,
        count: 1,
        at: b"",
        meta: b"",
        event: event.as_bytes(),
    };
    for (event, kind) in [
        (r#"{"type":"session.done"}"#, Some("session.done")),
        (
            r#"{"type":"acme.x","data":[1,{"type":"y"}]}"#,
            Some("acme.x"),
        ),
        (r#"{"type":"acme.x","data":"\\\""}"#, Some("acme.x")),
        (r#"{"type":"acme.x","data":1,"type":"acme.y"}"#, None),
        (r#"{"type":"acme.x","data":1}"#, Some("acme.x")),
        (r#"{"type":"acme.x","more":1}"#, None),
        (r#"{"data":1,"type":"acme.x"}"#, None),
        (r#"{"type":"acme\u002ex"}"#, None),
        (r#"{ "type":"acme.x"}"#, None),
    ] {
        assert_eq!(line(event).leading_type(), kind, "{event}");
    }
}
