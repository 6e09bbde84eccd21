//! What stands in a file, byte by byte.

use bus_log::{TenantId, ThreadKey};
use crc32c::crc32c_append;
use proptest::prelude::*;

use super::*;
use crate::journal::Record;
use crate::journal::frame::FRAME_HEADER;
use crate::journal::index::index;
use crate::journal::record::{decode_key, encode_key};

#[test]
fn a_segment_is_the_bytes_that_the_format_says() {
    let key = ThreadKey::new(TenantId::new("t"), "a");
    let record = Record {
        key: &key,
        first: 2,
        last: 3,
        position: 9,
        bytes: b"x\ny\n",
    };
    let mut payload = Vec::new();
    record.write(&mut payload);
    let (bytes, _) = build(5, after(4, 77), &[&[&payload]]);
    let mut expected = b"BUSWAL\0\0\x01\0\0\0".to_vec();
    expected.extend([7; 16]);
    for number in [5_u64, 4, 77] {
        expected.extend(number.to_le_bytes());
    }
    let seed = |position: u64| {
        let mut seed = [7; 16].to_vec();
        seed.extend(5_u64.to_le_bytes());
        seed.extend(position.to_le_bytes());
        crc32c::crc32c(&seed)
    };
    expected.extend(crc32c_append(seed(0), &expected).to_le_bytes());
    let mut payload = Vec::new();
    for number in [2_u64, 3, 9, 1] {
        payload.extend(number.to_le_bytes());
    }
    payload.extend(b"t");
    payload.extend(1_u64.to_le_bytes());
    payload.extend(b"a");
    payload.extend(4_u64.to_le_bytes());
    payload.extend(b"x\ny\n");
    let mut header = b"BUSGROUP".to_vec();
    for number in [payload.len() as u64, 56, 0] {
        header.extend(number.to_le_bytes());
    }
    header.extend(crc32c_append(seed(56), &payload).to_le_bytes());
    header.extend(crc32c_append(seed(56), &header).to_le_bytes());
    expected.extend(header);
    expected.extend(payload);
    assert_eq!(bytes, expected);
}

fn record_parts() -> impl Strategy<Value = (String, String, u64, u64, u64, Vec<u8>)> {
    (
        "(?s).{1,20}",
        "(?s).{1,20}",
        1..=u64::MAX,
        any::<u64>(),
        any::<u64>(),
        prop::collection::vec(any::<u8>(), 1..60),
    )
}

proptest! {
    #[test]
    fn records_read_back_equal(all in prop::collection::vec(record_parts(), 1..5)) {
        let mut payload = Vec::new();
        let mut written = Vec::new();
        for (tenant, thread, first, more, position, bytes) in &all {
            let key = ThreadKey::new(TenantId::new(tenant), thread);
            // Each ordinal has a byte at least.
            let last = first.saturating_add(more % bytes.len() as u64);
            Record { key: &key, first: *first, last, position: *position, bytes }.write(&mut payload);
            written.push((key, *first, last, *position, bytes.clone()));
        }
        let (bytes, _) = first(&[&payload]);
        let scan = scan(&[(1, &bytes)]).unwrap();
        let mut read = Vec::new();
        for (key, records) in index(&scan).unwrap() {
            for at in records {
                let bytes = scan.bytes(at.segment, at.payload, at.payload_end()).unwrap();
                read.push((at.payload, (key.clone(), at.first, at.last, at.position, bytes)));
            }
        }
        read.sort();
        let read: Vec<_> = read.into_iter().map(|(_, record)| record).collect();
        prop_assert_eq!(read, written);
    }

    #[test]
    fn no_bytes_make_a_reader_panic(bytes in prop::collection::vec(any::<u8>(), 0..120), position in any::<u64>()) {
        let _ = decode_key(&bytes);
        prop_assert_eq!(SegmentHeader::parse(&bytes, segment(1)), None);
        prop_assert_eq!(SegmentHeader::parse_earlier(&bytes, segment(1)), None);
        prop_assert_eq!(FrameHeader::parse(&bytes, segment(1), position), None);
        prop_assert!(scan(&[(1, &bytes)]).is_ok_and(|scan| scan.frames.is_empty()));
        // As the payload of a frame whose sum holds.
        let (whole, _) = first(&[&bytes]);
        let _ = index(&scan(&[(1, &whole)]).unwrap());
    }

    #[test]
    fn frames_read_back_equal(
        payload in prop::collection::vec(any::<u8>(), 0..60),
        position in any::<u64>(),
        durable in any::<u64>(),
    ) {
        let durable = durable.min(position);
        let header = FrameHeader::new(segment(1), position, durable, &payload);
        let bytes = header.to_bytes(segment(1), position);
        prop_assert_eq!(bytes.len(), FRAME_HEADER);
        prop_assert_eq!(FrameHeader::parse(&bytes, segment(1), position), Some(header));
        prop_assert_eq!(FrameHeader::parse(&bytes, segment(2), position), None);
        let sum = crc32c_append(FrameHeader::payload_seed(segment(1), position), &payload);
        prop_assert!(header.vouches_for(sum));
        prop_assert!(!header.vouches_for(sum ^ 1));
    }

    #[test]
    fn keys_read_back_equal(tenant in "(?s).{1,20}", thread in "(?s).{1,20}") {
        let key = ThreadKey::new(TenantId::new(tenant), thread);
        let encoded = encode_key(&key);
        prop_assert_eq!(decode_key(&encoded), Some(key));
        prop_assert_eq!(decode_key(&encoded[..encoded.len() - 1]), None);
    }
}
