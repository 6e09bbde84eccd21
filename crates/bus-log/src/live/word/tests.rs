use bus_testkit::samples;
use proptest::prelude::*;

use super::*;
use crate::LogErrorKind;

fn word(what: LiveWhat) -> LiveWord {
    let source = LiveSource(0x0102_0304_0506_0708_090a_0b0c_0d0e_0f10);
    LiveWord::new(source, 7, 3, Duration::from_micros(258), what)
}

fn event(event: Event) -> LiveWhat {
    let at = DateTime::from_timestamp_micros(1_700_000_000_000_001).unwrap();
    let meta = Meta::parse(r#"{"id":"e1"}"#).unwrap();
    LiveWhat::Event { at, event, meta }
}

#[test]
fn a_word_s_bytes_stay_what_they_are() {
    let numbers = [
        "0102030405060708090a0b0c0d0e0f10",
        "0000000000000007",
        "0000000000000003",
        "0000000000000102",
    ]
    .concat();
    let text = r#"{"type":"session.text_chunk","data":"hi"}"#;
    let hex = |bytes: &[u8]| bytes.iter().map(|b| format!("{b:02x}")).collect::<String>();
    let spoken = event(Event::parse(text).unwrap());
    let meta = format!("0000000b{}", hex(br#"{"id":"e1"}"#));
    let expected = format!(
        "0101{numbers}00060a24181e4001{meta}{}",
        hex(text.as_bytes())
    );
    assert_eq!(hex(&word(spoken).to_bytes()), expected);
    let mark = word(LiveWhat::Mark).to_bytes();
    assert_eq!(hex(&mark), format!("0102{numbers}"));
    let end = word(LiveWhat::End).to_bytes();
    assert_eq!(hex(&end), format!("0103{numbers}"));
}

#[test]
fn what_every_event_says_comes_back_as_it_was() {
    for one in samples::events() {
        let word = word(event(one));
        assert_eq!(LiveWord::from_bytes(&word.to_bytes()).unwrap(), word);
    }
}

#[test]
fn later_words_are_told_from_garbage() {
    let kind = |bytes: &[u8]| LiveWord::from_bytes(bytes).unwrap_err().kind();
    let mark = word(LiveWhat::Mark).to_bytes();
    let with = |at: usize, byte: u8| {
        let mut bytes = mark.clone();
        bytes[at] = byte;
        bytes
    };
    assert_eq!(kind(&with(0, 2)), LogErrorKind::Unsupported);
    assert_eq!(kind(&with(1, 4)), LogErrorKind::Unsupported);
    assert_eq!(kind(&mark[..NUMBERS - 1]), LogErrorKind::Invalid);
    assert_eq!(kind(b""), LogErrorKind::Invalid);
    assert_eq!(kind(&with(1, EVENT)), LogErrorKind::Invalid);
    let longer = [&mark[..], b"for later"].concat();
    assert_eq!(LiveWord::from_bytes(&longer).unwrap(), word(LiveWhat::Mark));
}

#[test]
fn sources_differ() {
    assert_ne!(LiveSource::random(), LiveSource::random());
}

proptest! {
    #[test]
    fn words_come_back_as_they_were(
        (source, told, last, age) in any::<(u128, u64, u64, u64)>(),
        micros in 0..4_000_000_000_000_000_i64,
        text: String,
        kind in 0..3,
    ) {
        let at = DateTime::from_timestamp_micros(micros).unwrap();
        let what = match kind {
            0 => {
                let meta = Meta::default().with("id", &text).unwrap();
                LiveWhat::Event { at, event: samples::text(text), meta }
            }
            1 => LiveWhat::Mark,
            _ => LiveWhat::End,
        };
        let age = Duration::from_micros(age);
        let word = LiveWord::new(LiveSource(source), told, last, age, what);
        prop_assert_eq!(LiveWord::from_bytes(&word.to_bytes()).unwrap(), word);
    }

    #[test]
    fn garbage_is_an_error_and_no_panic(bytes: Vec<u8>, kind in 1..4_u8) {
        let _ = LiveWord::from_bytes(&bytes);
        let _ = LiveWord::from_bytes(&[&[VERSION, kind][..], &bytes].concat());
    }
}
