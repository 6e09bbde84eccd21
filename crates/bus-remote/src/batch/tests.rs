use bus_log::{CustomEvent, Entry, Event, Json, LogErrorKind, MAX_EVENT_BYTES, Meta, SessionEvent};

use super::{Batch, RAW, Stored, TYPED};

fn entry(text: &str) -> Entry {
    Entry::from(Event::from(SessionEvent::TextChunk(text.into())))
}

#[test]
fn a_batch_comes_back_as_it_went_in() {
    let mut entries = vec![entry("a\0b"), entry("")];
    entries[1].meta = Meta::parse(r#"{ "id" :1}"#).unwrap();
    let raw = Json::parse(r#"{"type":"x.y","data":{"b": 1, "a":2}}"#).unwrap();
    entries.push(Entry::from(Event::from(
        CustomEvent::from_json(raw.clone()).unwrap(),
    )));
    let batch = Batch::encode(&entries, 1 << 20).unwrap();
    assert_eq!(batch.len(), 3);
    for (index, entry) in entries.iter().enumerate() {
        let stored = Stored {
            ordinal: 7,
            at: batch.times()[index],
            meta: batch.metas()[index].as_deref(),
            event: batch.events()[index],
        };
        let read = stored.read(TYPED).unwrap();
        assert_eq!(
            (read.ordinal, &read.event, &read.meta),
            (7, &entry.event, &entry.meta)
        );
        assert_eq!(read.at.timestamp_micros(), entry.at.timestamp_micros());
        assert!(matches!(stored.read(RAW).unwrap().event, Event::Custom(_)));
    }
    assert_eq!(batch.events()[2], raw.as_str().as_bytes());
}

#[test]
fn what_is_too_large_is_invalid() {
    let large = entry(&"x".repeat(MAX_EVENT_BYTES));
    let refused = Batch::encode(&[large], usize::MAX).unwrap_err();
    assert_eq!(refused.kind(), LogErrorKind::Invalid);
    let two = [entry("12345"), entry("12345")];
    let bytes = Batch::encode(&two, usize::MAX).unwrap().bytes();
    assert!(Batch::encode(&two, bytes).is_ok());
    let refused = Batch::encode(&two, bytes - 1).unwrap_err();
    assert_eq!(refused.kind(), LogErrorKind::Invalid);
}

#[test]
fn damage_is_corrupt_and_names_the_ordinal() {
    let sound = Stored {
        ordinal: 42,
        at: 0,
        meta: Some(b"{}"),
        event: br#"{"type":"session.done"}"#,
    };
    sound.read(TYPED).unwrap();
    let damaged = [
        Stored {
            event: b"\xff",
            ..sound
        },
        Stored {
            event: b"{",
            ..sound
        },
        Stored {
            event: b"",
            ..sound
        },
        Stored {
            meta: Some(b"\xff"),
            ..sound
        },
        Stored {
            meta: Some(b"[]"),
            ..sound
        },
        Stored {
            at: i64::MAX,
            ..sound
        },
    ];
    for stored in damaged {
        let error = stored.read(TYPED).unwrap_err();
        assert_eq!(error.kind(), LogErrorKind::Corrupt, "{stored:?}");
        assert!(error.to_string().contains("ordinal 42"), "{error}");
    }
}
