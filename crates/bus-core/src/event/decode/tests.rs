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
        put in r#"[{}",:\\a1 \x00é]{0,12}"#,
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
