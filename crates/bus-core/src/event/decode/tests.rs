use proptest::prelude::*;

use super::super::{Event, arbitrary, examples, peek_leading_type};
use super::*;

/// Both ways, where the text is written in our order.
fn both(text: &str) -> Option<(Option<SessionEvent>, Option<SessionEvent>)> {
    let kind = peek_leading_type(text)?;
    Some((fast_path(kind, text), serde_json::from_str(text).ok()))
}

fn assert_agree(text: &str) {
    if let Some((Some(short), long)) = both(text) {
        assert_eq!(Some(short), long, "{text}");
    }
}

proptest! {
    #[test]
    fn the_short_way_reads_what_serde_reads(event in arbitrary::event()) {
        assert_agree(event.to_json().as_str());
    }

    #[test]
    fn the_short_way_reads_nothing_that_serde_refuses(
        which in any::<prop::sample::Index>(),
        cut in any::<prop::sample::Index>(),
        put in r#"[{}",:\\/abfnrtu018.e+ \x00\n\x7fé-]{0,12}"#,
        replaced in 0..12_usize,
    ) {
        let examples = examples::events();
        let text = examples[which.index(examples.len())].to_json();
        let chars: Vec<char> = text.as_str().chars().collect();
        let cut = cut.index(chars.len());
        let after = chars.len().min(cut + replaced);
        let text: String = chars[..cut].iter().copied().chain(put.chars()).chain(chars[after..].iter().copied()).collect();
        assert_agree(&text);
    }

    #[test]
    fn strings_are_read_as_serde_reads_them(
        inner in r#"([a-zé \x00-\x20"]|\\[nrtbf/"\\]|\\u00[0-9a-f]{2}|\\){0,12}"#,
    ) {
        assert_agree(&format!(r#"{{"type":"session.text_chunk","data":"{inner}"}}"#));
        assert_agree(&tool_call_complete_of(&inner, "true", "7"));
        assert_agree(&token_usage_of(&inner, "7"));
    }

    #[test]
    fn numbers_are_read_as_serde_reads_them(number in "-?[0-9]{0,21}([.e+ ][0-9]{0,2})?") {
        assert_agree(&tool_call_complete_of("o", "false", &number));
        assert_agree(&token_usage_of("m", &number));
    }
}

fn tool_call_complete_of(output: &str, success: &str, number: &str) -> String {
    format!(
        r#"{{"type":"session.tool_call_complete","data":{{"name":"sh","output":"{output}","success":{success},"duration_ms":{number}}}}}"#
    )
}

fn token_usage_of(model: &str, number: &str) -> String {
    format!(
        r#"{{"type":"session.token_usage","data":{{"source":"root","model":"{model}","prompt_tokens":{number},"completion_tokens":0,"duration_ms":{number}}}}}"#
    )
}

#[test]
fn lines_quotes_and_the_largest_number_are_read_the_short_way() {
    let text = tool_call_complete_of(r#"a\nb\r\n\t\"c\\\"\\"#, "true", "18446744073709551615");
    let expected = SessionEvent::ToolCallComplete {
        name: "sh".into(),
        output: "a\nb\r\n\t\"c\\\"\\".into(),
        success: true,
        duration_ms: u64::MAX,
    };
    assert_eq!(both(&text), Some((Some(expected.clone()), Some(expected))));
}

#[test]
fn what_another_would_write_in_the_same_places_is_left_to_serde() {
    for text in [
        tool_call_complete_of(r"\u0041", "true", "7"),
        tool_call_complete_of("o", "true ", "7"),
        tool_call_complete_of("o", "true", "7,\"more\":1"),
        token_usage_of("m", "7 "),
        token_usage_of("m", "7").replace("root", "ro\\u006ft"),
    ] {
        let (short, long) = both(&text).unwrap();
        assert_eq!(short, None, "{text}");
        assert!(long.is_some(), "{text}");
    }
    for number in ["07", "", "-1", "18446744073709551616", "1e3"] {
        let text = token_usage_of("m", number);
        assert_eq!(both(&text), Some((None, None)), "{text}");
    }
}

#[test]
fn what_a_session_says_most_is_read_the_short_way() {
    let mut read = 0;
    for event in examples::session_events() {
        let text = Event::from(event.clone()).to_json();
        if let Some((Some(short), _)) = both(text.as_str()) {
            assert_eq!(short, event);
            read += 1;
        }
    }
    assert!(read >= 6, "{read}");
}

#[test]
fn more_than_type_and_data_is_left_to_serde() {
    for text in [
        r#"{"type":"session.text_chunk","data":"a","more":"b"}"#,
        r#"{"type":"session.text_chunk","data":"a","data":"b"}"#,
        r#"{"type":"session.text_chunk","data":"a"}}"#,
        "{\"type\":\"session.text_chunk\",\"data\":\"a\nb\"}",
        r#"{"type":"session.text_chunk","data":7}"#,
        r#"{"type":"session.text_chunk","data":"\"}"#,
        r#"{"type":"session.text_chunk","data":"}"#,
    ] {
        let (short, _) = both(text).unwrap();
        assert_eq!(short, None, "{text}");
    }
}
