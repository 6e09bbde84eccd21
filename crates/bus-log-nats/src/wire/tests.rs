use bus_log::{Entry, LogErrorKind};
use bus_remote::{Batch, RAW};
use bus_testkit::samples;

use super::*;

fn head() -> Head {
    Head {
        id: Id([7; 16]),
        base: State {
            seq: u64::MAX,
            id: Id([9; 16]),
            last: 3,
            watermark: 2,
            at: -5,
            chunked: 77,
            erased: true,
        },
        change: Change::Append(Append {
            first: 4,
            count: u32::MAX,
            at: i64::MIN,
            start: true,
            chunked: true,
        }),
    }
}

#[test]
fn a_head_comes_back_as_it_was() {
    let hide = |erase| Head {
        change: Change::Hide {
            watermark: u64::MAX,
            erase,
        },
        ..head()
    };
    for head in [head(), hide(true), hide(false)] {
        let bytes = message(&head, 0).freeze();
        assert_eq!(bytes.len(), HEAD);
        assert_eq!(parse(bytes).unwrap(), Some((head, Bytes::new())));
    }
}

#[test]
fn a_message_s_bytes_stay_what_they_are() {
    let text: String = message(&head(), 0)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let id = |byte: &str| byte.repeat(16);
    let expected = [
        "42555301",
        "01",
        "03",
        &id("07"),
        "ffffffffffffffff",
        &id("09"),
        "0000000000000003",
        "0000000000000002",
        "fffffffffffffffb",
        "000000000000004d",
        "01",
        "0000000000000004",
        "00000000ffffffff",
        "8000000000000000",
    ];
    assert_eq!(text, expected.concat());
}

#[test]
fn what_is_no_message_of_ours_is_nobody_s_and_what_is_cut_short_is_damaged() {
    for bytes in [&b""[..], b"hello", b"BU"] {
        assert_eq!(parse(Bytes::from_static(bytes)).unwrap(), None);
    }
    let whole = message(&head(), 0).freeze();
    for end in 4..whole.len() {
        assert_eq!(
            parse(whole.slice(..end)).unwrap_err().kind(),
            LogErrorKind::Corrupt,
            "{end}"
        );
    }
    let mut newer = whole.to_vec();
    newer[3] = 2;
    assert_eq!(
        parse(newer.into()).unwrap_err().kind(),
        LogErrorKind::Unsupported
    );
}

#[test]
fn records_come_back_byte_for_byte_in_whatever_parts_they_arrive() {
    let entries: Vec<Entry> = samples::batch("part", 5);
    let batch = Batch::encode(&entries, 1 << 20).unwrap();
    let mut bytes = BytesMut::new();
    let mut begins = Vec::new();
    put(&mut bytes, &batch, |begin| begins.push(begin));
    assert_eq!((bytes.len(), begins.len()), (size(&batch), 5));
    let bytes = bytes.freeze();
    for width in [1, 7, 100, bytes.len()] {
        let mut records = Records::from(10);
        let mut events = Vec::new();
        for part in bytes.chunks(width) {
            records.add(Bytes::copy_from_slice(part));
            events.extend(std::iter::from_fn(|| records.next()));
        }
        records.end().unwrap();
        let ordinals: Vec<u64> = events.iter().map(|found| found.ordinal).collect();
        assert_eq!(ordinals, [10, 11, 12, 13, 14]);
        for (found, event) in events.iter().zip(batch.events()) {
            let json = found.read(RAW).unwrap().event.to_json();
            assert_eq!(json.as_str().as_bytes(), event);
        }
    }
    let mut cut = Records::from(1);
    cut.add(bytes.slice(..bytes.len() - 1));
    while cut.next().is_some() {}
    assert_eq!(cut.end().unwrap_err().kind(), LogErrorKind::Corrupt);
}

#[test]
fn a_chunk_is_only_that_part_of_that_batch() {
    let message = chunk(Id([1; 16]), 2, b"bytes");
    assert_eq!(
        part_of(Id([1; 16]), 2, message.clone()).unwrap(),
        &b"bytes"[..]
    );
    assert_eq!(part_of(Id([1; 16]), 3, message.clone()), None);
    assert_eq!(part_of(Id([2; 16]), 2, message), None);
    let chunks = [(5, 0, 0), (6, u32::MAX, 0), (9, 4, 17)].map(|(seq, record, offset)| Chunk {
        seq,
        record,
        offset,
    });
    let mut bytes = BytesMut::new();
    Chunk::put_all(&chunks, &mut bytes);
    let bytes = bytes.freeze();
    assert_eq!(Chunk::parse_all(bytes.clone()).unwrap(), chunks);
    for end in 0..bytes.len() {
        assert!(Chunk::parse_all(bytes.slice(..end)).is_err(), "{end}");
    }
}
