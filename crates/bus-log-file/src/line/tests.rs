use bus_log::{DateTime, Event, Meta, Recorded, SessionEvent, TenantId, ThreadKey, Utc};
use proptest::prelude::*;

use super::*;
use crate::line::Lines;

fn id(thread: &str) -> ThreadId {
    ThreadId::new(&ThreadKey::new(TenantId::new("t"), thread))
}

fn micros() -> impl Strategy<Value = DateTime<Utc>> {
    let all =
        DateTime::<Utc>::MIN_UTC.timestamp_micros()..=DateTime::<Utc>::MAX_UTC.timestamp_micros();
    prop_oneof![Just(*all.start()), Just(*all.end()), Just(0), all]
        .prop_filter_map("time", DateTime::from_timestamp_micros)
}

fn encode(ordinal: u64, at: DateTime<Utc>, meta: &Meta, event: &Event) -> Vec<u8> {
    let mut lines = Lines::default();
    lines.push(1, 1, at, meta, event).unwrap();
    lines.stamp(&id("a"), ordinal);
    let mut bytes = lines.as_bytes().to_vec();
    assert_eq!(bytes.pop(), Some(b'\n'));
    bytes
}

proptest! {
    #[test]
    fn a_line_reads_back_equal(
        ordinal in 1..=u64::MAX,
        at in micros(),
        text in any::<String>(),
        note in any::<Option<String>>(),
    ) {
        let event = Event::from(SessionEvent::TextComplete(text));
        let meta = match &note {
            Some(note) => Meta::default().with("note", note).unwrap(),
            None => Meta::default(),
        };
        let bytes = encode(ordinal, at, &meta, &event);
        let _: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
        let line = Line::parse(&bytes, &id("a")).unwrap();
        let expected = Recorded { ordinal, at, meta, event: event.clone() };
        prop_assert_eq!(line.typed().unwrap(), expected);
        let raw = line.raw().unwrap().event;
        prop_assert_eq!(raw.to_json(), event.to_json());
        prop_assert_eq!(peek_ordinal(&bytes), Some(ordinal));
        prop_assert!(Line::parse(&bytes, &id("b")).is_err());
    }

    #[test]
    fn a_line_with_any_byte_changed_is_refused(place in any::<prop::sample::Index>(), flip in 1..=255_u8) {
        let event = Event::from(SessionEvent::TextComplete("some text".into()));
        let mut bytes = encode(7, DateTime::UNIX_EPOCH, &Meta::default(), &event);
        let at = place.index(bytes.len());
        bytes[at] ^= flip;
        prop_assert!(Line::parse(&bytes, &id("a")).is_err());
    }

    #[test]
    fn no_bytes_make_the_reader_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = peek_ordinal(&bytes);
        let _ = Line::parse(&bytes, &id("a"));
        let text = String::from_utf8_lossy(&bytes);
        let _ = Line::parse_rest(1, text.as_bytes());
    }

    #[test]
    fn no_rest_of_a_line_makes_the_reader_panic(
        rest in r#""batch":\[[0-9]{0,21},[0-9]{0,3}\],"at":"[0-9TZ:.-]{0,9}",("meta":[{}",:a0\[\]]{0,9},)?"event":[{}":,a]{0,12}"#
    ) {
        if let Some(line) = Line::parse_rest(1, rest.as_bytes()) {
            let _ = (line.typed(), line.raw());
        }
    }
}

#[test]
fn the_largest_event_fits_and_one_byte_more_does_not() {
    let event = |len: usize| {
        let frame = r#"{"type":"x","data":""}"#.len();
        let text = format!(r#"{{"type":"x","data":"{}"}}"#, "a".repeat(len - frame));
        Event::parse(&text).unwrap()
    };
    let bytes = encode(
        u64::MAX,
        DateTime::<Utc>::MIN_UTC,
        &Meta::default(),
        &event(MAX_EVENT_BYTES),
    );
    assert!(bytes.len() <= MAX_LINE);
    let over = Lines::default().push(
        1,
        1,
        Utc::now(),
        &Meta::default(),
        &event(MAX_EVENT_BYTES + 1),
    );
    assert_eq!(over.unwrap_err().kind(), bus_log::LogErrorKind::Invalid);
}

#[test]
fn the_form_is_the_documented_one() {
    let meta = Meta::parse(r#"{"id":"e-1"}"#).unwrap();
    let bytes = encode(7, DateTime::UNIX_EPOCH, &meta, &SessionEvent::Done.into());
    assert_eq!(
        String::from_utf8(bytes).unwrap(),
        r#"{"ordinal":                   7,"sum":"2955c11a","batch":[1,1],"at":"1970-01-01T00:00:00.000000Z","meta":{"id":"e-1"},"event":{"type":"session.done"}}"#
    );
}

#[test]
fn the_format_document_shows_what_is_written() {
    let document = include_str!("../../../../docs/file-format.md");
    let meta = Meta::parse(r#"{"id":"e-1"}"#).unwrap();
    let line = encode(7, DateTime::UNIX_EPOCH, &meta, &SessionEvent::Done.into());
    assert!(document.contains(std::str::from_utf8(&line).unwrap()));
    assert!(document.contains(&crate::layout::hex(id("a").as_bytes())));
    let key = ThreadKey::new(TenantId::new("acme"), "session-7");
    let header = crate::header::Header::first(key, 0).to_line();
    assert!(document.contains(std::str::from_utf8(&header).unwrap()));
}
