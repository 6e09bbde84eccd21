use super::{plain, split};

#[test]
fn options_are_split_and_decoded() {
    let (rest, options) = split("x", "x://h/p?a=1&&b=%2Fä%c3%a4&c=").unwrap();
    assert_eq!(rest, "x://h/p");
    let expected = [("a", "1".into()), ("b", "/ää".into()), ("c", String::new())];
    assert_eq!(options, expected);
    assert_eq!(split("x", "x://h").unwrap(), ("x://h", Vec::new()));
}

#[test]
fn broken_options_are_refused_without_their_values() {
    for url in [
        "x://h?s3cret",
        "x://h?a=%s3cret",
        "x://h?S3cret=%",
        "x://h?a=%ff",
        "x://h?a=s3cret%2",
    ] {
        let error = split("x", url).unwrap_err().to_string();
        assert!(error.contains("x url has"), "{error}");
        assert!(!error.to_lowercase().contains("s3cret"), "{error}");
    }
}

#[test]
fn only_a_word_is_shown_as_a_name() {
    assert_eq!(plain("connect_timeout"), "connect_timeout");
    for name in ["s3cret", "Secret", "", "a-b"] {
        assert_eq!(
            plain(name),
            if name.is_empty() { "" } else { "(not shown)" }
        );
    }
}

#[test]
fn a_password_with_a_question_mark_is_refused_without_a_piece_of_it() {
    for url in [
        "x://u:pa?zebra@h/p",
        "x://u:pa?zebra=x@h/p?a=1",
        "x://u:pa?a=1&zebra=%@h",
        "x://h/p?a=me@home",
    ] {
        let error = split("x", url).unwrap_err().to_string();
        assert!(error.contains("encode the password"), "{error}");
        assert!(
            !error.contains("zebra") && !error.contains("home"),
            "{error}"
        );
    }
    let (_, options) = split("x", "x://h/p?a=me%40home").unwrap();
    assert_eq!(options, [("a", "me@home".into())]);
}
