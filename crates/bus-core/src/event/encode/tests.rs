use proptest::prelude::*;

use super::super::{arbitrary, examples};
use super::*;

fn ours(event: &Event) -> String {
    let mut text = b"before".to_vec();
    event.write_json(&mut text).unwrap();
    String::from_utf8(text).unwrap().split_off("before".len())
}

fn string(text: &str) -> String {
    let mut bytes = Vec::new();
    Text(&mut bytes).string("", text);
    String::from_utf8(bytes).unwrap()
}

#[test]
fn every_example_is_written_as_serde_writes_it() {
    for event in examples::events() {
        assert_eq!(ours(&event), serde_json::to_string(&event).unwrap());
    }
}

#[test]
fn each_byte_is_escaped_as_serde_does_wherever_it_stands() {
    for code in 0..=0xff_u8 {
        for before in 0..=17 {
            for after in 0..=17 {
                let text = format!(
                    "{}{}{}",
                    "x".repeat(before),
                    char::from(code),
                    "é".repeat(after)
                );
                assert_eq!(string(&text), serde_json::to_string(&text).unwrap());
            }
        }
    }
}

#[test]
fn the_ends_of_the_numbers_are_written_whole() {
    for n in [0, 9, 10, 99, 100, u64::MAX - 1, u64::MAX] {
        let mut bytes = Vec::new();
        Text(&mut bytes).number("", n);
        assert_eq!(String::from_utf8(bytes).unwrap(), n.to_string());
    }
}

proptest! {
    #[test]
    fn any_event_is_written_as_serde_writes_it(event in arbitrary::event()) {
        prop_assert_eq!(ours(&event), serde_json::to_string(&event).unwrap());
    }

    #[test]
    fn any_text_is_escaped_as_serde_does(text in "[\u{0}-\u{24}\\\\a-z\u{7f}-\u{ff}]{0,64}") {
        prop_assert_eq!(string(&text), serde_json::to_string(&text).unwrap());
    }
}
