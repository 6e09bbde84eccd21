use super::*;

#[test]
fn text_and_unknown_keys_are_kept_verbatim() {
    let text = r#"{"x": 0.10, "id":"a\u0041", "x":1e400}"#;
    let meta = Meta::parse(text).unwrap();
    assert_eq!(meta.as_str(), text);
    assert_eq!(meta.id().as_deref(), Some("aA"));
    assert_eq!(meta.get("x").unwrap().as_str(), "1e400");
    assert_eq!(serde_json::to_string(&meta).unwrap(), text);
    assert_eq!(serde_json::from_str::<Meta>(text).unwrap(), meta);
}

#[test]
fn an_empty_object_is_no_object() {
    assert_eq!(Meta::parse("{ }").unwrap(), Meta::default());
    assert_eq!(serde_json::to_string(&Meta::default()).unwrap(), "{}");
    assert!(Meta::default().is_empty());
}

#[test]
fn only_objects_are_meta() {
    for text in ["null", "[]", "\"x\"", "3", "", "{"] {
        assert!(Meta::parse(text).is_err(), "{text:?}");
    }
}

#[test]
fn with_replaces_in_place_and_appends_at_the_end() {
    let meta = Meta::parse(r#"{"id":"a","n":0.10}"#).unwrap();
    let meta = meta
        .with("id", "b")
        .unwrap()
        .with("quote\"d", &[1])
        .unwrap();
    assert_eq!(meta.as_str(), r#"{"id":"b","n":0.10,"quote\"d":[1]}"#);
}

#[test]
fn any_object_is_meta_also_with_a_name_that_no_str_can_hold() {
    let text = r#"{"\ud800":1,"i\u0064":"a"}"#;
    let meta = Meta::parse(text).unwrap();
    assert_eq!(meta.as_str(), text);
    assert_eq!(meta.id().as_deref(), Some("a"));
    let meta = meta.with("id", "b").unwrap();
    assert_eq!(meta.as_str(), r#"{"\ud800":1,"i\u0064":"b"}"#);
}

#[test]
fn with_sets_a_repeated_key_once_where_its_value_stood() {
    let meta = Meta::parse(r#"{"x":1, "a\u0041" : 0.10,"x":2,"z":3}"#).unwrap();
    assert_eq!(
        meta.with("x", &9).unwrap().as_str(),
        r#"{"a\u0041":0.10,"x":9,"z":3}"#
    );
}

#[test]
fn a_known_key_of_another_type_reads_as_absent() {
    let meta = Meta::parse(r#"{"id":7,"source":"x"}"#).unwrap();
    assert_eq!((meta.id(), meta.source()), (None, None));
}

#[test]
fn source_round_trips() {
    let source = SourceRef::new("a.jsonl", 3).with_record(Some("r".into()));
    let meta = Meta::default().with("source", &source).unwrap();
    assert_eq!(meta.source(), Some(source));
}
