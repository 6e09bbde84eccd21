use bus_log::{TenantId, ThreadKey};
use proptest::prelude::*;

use super::frame::{FRAME_HEADER, FrameHeader, SEGMENT_HEADER, SegmentHeader, SegmentId};
use super::scan::{Scan, segment_name};
use super::*;
use crate::fs::Disk;

const JOURNAL: [u8; 16] = [7; 16];

fn segment(number: u64) -> SegmentId {
    SegmentId {
        journal: JOURNAL,
        number,
    }
}

/// A segment with these payloads, and where each of its frames ends.
fn build(number: u64, previous_end: u64, payloads: &[&[u8]]) -> (Vec<u8>, Vec<usize>) {
    let id = segment(number);
    let mut bytes = SegmentHeader { id, previous_end }.to_bytes().to_vec();
    let mut ends = Vec::new();
    for payload in payloads {
        let position = bytes.len() as u64;
        bytes.extend(FrameHeader::new(id, position, payload).to_bytes(id, position));
        bytes.extend(*payload);
        ends.push(bytes.len());
    }
    (bytes, ends)
}

fn scan(segments: &[(u64, &[u8])]) -> bus_log::Result<Scan> {
    let dir = tempfile::tempdir().unwrap();
    for (number, bytes) in segments {
        std::fs::write(dir.path().join(segment_name(*number)), bytes).unwrap();
    }
    Scan::of(Disk, dir.path(), JOURNAL)
}

fn payloads(scan: &Scan) -> Vec<Vec<u8>> {
    scan.frames
        .iter()
        .map(|frame| scan.payload(*frame).unwrap())
        .collect()
}

#[test]
fn a_segment_cut_at_any_byte_gives_the_frames_before_the_cut() {
    let (bytes, ends) = build(1, 0, &[b"first", b"", b"the third"]);
    for cut in 0..=bytes.len() {
        let scan = scan(&[(1, &bytes[..cut])]).unwrap();
        let whole = ends.iter().filter(|end| **end <= cut).count();
        assert_eq!(scan.frames.len(), whole, "cut at {cut}");
        let kept = ends[..whole].last().copied();
        let kept = kept.unwrap_or(if cut < SEGMENT_HEADER {
            0
        } else {
            SEGMENT_HEADER
        });
        assert_eq!(scan.torn, (cut - kept) as u64, "cut at {cut}");
    }
}

#[test]
fn zeros_behind_the_last_frame_are_a_torn_end() {
    let (mut bytes, _) = build(1, 0, &[b"first"]);
    bytes.extend([0; 4096]);
    let scan = scan(&[(1, &bytes)]).unwrap();
    assert_eq!(
        (payloads(&scan), scan.torn),
        (vec![b"first".to_vec()], 4096)
    );
}

#[test]
fn a_damaged_byte_is_a_torn_end_in_the_last_frame_and_damage_before_it() {
    let (bytes, ends) = build(1, 0, &[b"first", b"second", b"third"]);
    for at in 0..bytes.len() {
        let mut damaged = bytes.clone();
        damaged[at] ^= 1;
        let scan = scan(&[(1, &damaged)]);
        if at < ends[1] {
            let error = scan.unwrap_err();
            assert_eq!(error.kind(), bus_log::LogErrorKind::Corrupt);
            assert!(error.to_string().contains("00000001.wal: byte"), "{error}");
        } else {
            assert_eq!(scan.unwrap().frames.len(), 2, "byte {at}");
        }
    }
}

#[test]
fn what_lies_behind_the_end_that_the_next_segment_states_is_ignored() {
    let (first, ends) = build(1, 0, &[b"good", b"failed"]);
    let (second, _) = build(2, ends[0] as u64, &[b"after"]);
    let scan = scan(&[(1, &first), (2, &second)]).unwrap();
    assert_eq!(payloads(&scan), [b"good".to_vec(), b"after".to_vec()]);
}

#[test]
fn damage_before_the_stated_end_is_never_taken_for_a_torn_end() {
    let (mut first, ends) = build(1, 0, &[b"good"]);
    let (second, _) = build(2, ends[0] as u64, &[]);
    first[ends[0] - 1] ^= 1;
    assert!(scan(&[(1, &first), (2, &second)]).is_err());
    let shorter = &first[..ends[0] - 1];
    assert!(scan(&[(1, shorter), (2, &second)]).is_err());
}

#[test]
fn a_segment_that_was_being_made_is_a_torn_end() {
    let (first, _) = build(1, 0, &[b"good"]);
    let (second, _) = build(2, first.len() as u64, &[]);
    for cut in 0..second.len() {
        let scan = scan(&[(1, &first), (2, &second[..cut])]).unwrap();
        assert_eq!(
            (payloads(&scan), scan.torn),
            (vec![b"good".to_vec()], cut as u64)
        );
    }
}

#[test]
fn segments_before_a_missing_number_were_settled() {
    let (first, _) = build(1, 0, &[b"old"]);
    let (third, _) = build(3, 99, &[b"new"]);
    let scan = scan(&[(1, &first), (3, &third)]).unwrap();
    assert_eq!(payloads(&scan), [b"new".to_vec()]);
}

#[test]
fn a_frame_of_another_segment_or_place_does_not_pass() {
    let (other, ends) = build(2, 0, &[b"one", b"two"]);
    let (mut copied, _) = build(1, 0, &[b"one"]);
    copied.extend(&other[ends[0]..]);
    assert_eq!(payloads(&scan(&[(1, &copied)]).unwrap()), [b"one".to_vec()]);
    let (mut moved, ends) = build(1, 0, &[b"one"]);
    moved.extend_from_within(SEGMENT_HEADER..ends[0]);
    assert_eq!(payloads(&scan(&[(1, &moved)]).unwrap()), [b"one".to_vec()]);
}

fn record_parts() -> impl Strategy<Value = (String, String, u64, u64, u64, Vec<u8>)> {
    (
        "(?s).{1,20}",
        "(?s).{1,20}",
        1..=u64::MAX,
        any::<u64>(),
        any::<u64>(),
        prop::collection::vec(any::<u8>(), 0..60),
    )
}

proptest! {
    #[test]
    fn records_read_back_equal(all in prop::collection::vec(record_parts(), 1..5)) {
        let records: Vec<Record<'_>> = all
            .iter()
            .map(|(tenant, thread, first, more, position, bytes)| Record {
                key: ThreadKey::new(TenantId::new(tenant), thread),
                first: *first,
                last: first.saturating_add(*more),
                position: *position,
                bytes,
            })
            .collect();
        let mut payload = Vec::new();
        for record in &records {
            record.write(&mut payload);
        }
        let mut rest = payload.as_slice();
        let mut read = Vec::new();
        while let Some(record) = Record::parse(&mut rest) {
            read.push(record);
        }
        prop_assert!(rest.is_empty());
        prop_assert_eq!(read, records);
    }

    #[test]
    fn no_bytes_make_a_reader_panic(bytes in prop::collection::vec(any::<u8>(), 0..120), position in any::<u64>()) {
        let _ = Record::parse(&mut bytes.as_slice());
        prop_assert_eq!(SegmentHeader::parse(&bytes, segment(1)), None);
        prop_assert_eq!(FrameHeader::parse(&bytes, segment(1), position), None);
        prop_assert!(scan(&[(1, &bytes)]).is_ok_and(|scan| scan.frames.is_empty()));
    }

    #[test]
    fn frames_read_back_equal(payload in prop::collection::vec(any::<u8>(), 0..60), position in any::<u64>()) {
        let header = FrameHeader::new(segment(1), position, &payload);
        let bytes = header.to_bytes(segment(1), position);
        prop_assert_eq!(bytes.len(), FRAME_HEADER);
        prop_assert_eq!(FrameHeader::parse(&bytes, segment(1), position), Some(header));
        prop_assert_eq!(FrameHeader::parse(&bytes, segment(2), position), None);
        prop_assert!(header.vouches_for(&payload, segment(1), position));
    }
}
