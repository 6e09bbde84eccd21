use super::*;

#[test]
fn text_is_kept_verbatim() {
    for text in [
        "1e400",
        "0.10",
        "123456789012345678901234567890",
        r#"{"b": 1,  "a":2}"#,
        r#""A\/é""#,
        r#"{"a":1,"a":2}"#,
        r#""\ud800""#,
        "null",
    ] {
        let json = Json::parse(text).unwrap();
        assert_eq!(json.as_str(), text);
        let through: Json = serde_json::from_str(&serde_json::to_string(&json).unwrap()).unwrap();
        assert_eq!(through, json);
    }
}

#[test]
fn line_breaks_between_tokens_are_dropped_and_nothing_else() {
    let json = Json::parse(" {\r\n  \"a\" :\n [1,\n2],\t\"b\": \"x\\ny\"\n} \n").unwrap();
    assert_eq!(json.as_str(), "{  \"a\" : [1,2],\t\"b\": \"x\\ny\"}");
    let read: Json = serde_json::from_str("[\n{\"k\":\n1}]").unwrap();
    assert_eq!(read.as_str(), "[{\"k\":1}]");
}

#[test]
fn what_is_not_one_value_is_refused() {
    for text in ["", " ", "{", "1 2", "{\"a\":}", "nul", "\"\n\"", "NaN"] {
        assert!(Json::parse(text).is_err(), "{text:?}");
    }
}

#[test]
fn deep_nesting_does_not_overflow_the_stack() {
    let deep = "[".repeat(200_000) + &"]".repeat(200_000);
    assert_eq!(Json::parse(&deep).unwrap().as_str(), deep);
}

#[test]
fn encode_and_decode_are_inverse() {
    let json = Json::encode(&vec![1_u64, u64::MAX]).unwrap();
    assert_eq!(json.decode::<Vec<u64>>().unwrap(), [1, u64::MAX]);
}
