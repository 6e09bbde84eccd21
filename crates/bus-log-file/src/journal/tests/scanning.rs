//! Which frames count.

use bus_log::LogErrorKind;

use super::*;
use crate::journal::frame::{FRAME_HEADER, SEGMENT_HEADER};

fn is_damage(scan: bus_log::Result<Scan>) -> bool {
    scan.is_err_and(|error| error.kind() == LogErrorKind::Corrupt)
}

#[test]
fn a_segment_of_another_version_is_refused_and_not_passed_over() {
    let (one, _) = first(&[b"first"]);
    let (two, _) = build(2, after(1, one.len()), &[&[b"second"]]);
    for version in [0, crate::VERSION + 1, u32::MAX] {
        let reversioned = |bytes: &[u8], number| {
            let mut bytes = bytes.to_vec();
            bytes[8..12].copy_from_slice(&version.to_le_bytes());
            let mut seed = JOURNAL.to_vec();
            seed.extend(u64::to_le_bytes(number));
            seed.extend([0; 8]);
            let sum = crc32c::crc32c(&[&seed, &bytes[..52]].concat());
            bytes[52..56].copy_from_slice(&sum.to_le_bytes());
            bytes
        };
        let [first, second] = [reversioned(&one, 1), reversioned(&two, 2)];
        for segments in [[&one, &second], [&first, &two]] {
            let error = scan(&[(1, segments[0]), (2, segments[1])]).unwrap_err();
            assert_eq!(error.kind(), LogErrorKind::Unsupported);
            let text = error.to_string();
            assert!(text.contains(&format!("version {version}, ")), "{text}");
            assert!(
                text.contains(&format!("version {}: ", crate::VERSION)),
                "{text}"
            );
        }
    }
}

#[test]
fn a_segment_cut_at_any_byte_gives_the_frames_before_the_cut() {
    let (bytes, ends) = first(&[b"first", b"", b"the third"]);
    for cut in 0..=bytes.len() {
        let scan = scan(&[(1, &bytes[..cut])]).unwrap();
        let whole = ends.iter().filter(|end| **end <= cut).count();
        assert_eq!(scan.frames.len(), whole, "cut at {cut}");
        let kept = ends[..whole].last().copied().unwrap_or(SEGMENT_HEADER);
        // Without its header nobody knows that there was a frame.
        let torn = cut.checked_sub(kept).filter(|torn| *torn >= FRAME_HEADER);
        assert_eq!(scan.torn, torn.unwrap_or(0) as u64, "cut at {cut}");
    }
}

#[test]
fn filler_behind_the_last_frame_is_an_end_in_order() {
    let (mut bytes, _) = first(&[b"first"]);
    bytes.extend([0; 4096]);
    let scan = scan(&[(1, &bytes)]).unwrap();
    assert_eq!((payloads(&scan), scan.torn), (vec![b"first".to_vec()], 0));
}

#[test]
fn a_damaged_byte_is_a_torn_end_in_the_last_frame_and_damage_before_it() {
    let (mut bytes, ends) = first(&[b"first", b"second", b"third"]);
    bytes.extend([0; 100]);
    for at in 0..ends[2] {
        let mut damaged = bytes.clone();
        damaged[at] ^= 1;
        let scan = scan(&[(1, &damaged)]);
        if at < ends[1] {
            let error = scan.unwrap_err();
            assert_eq!(error.kind(), LogErrorKind::Corrupt);
            assert!(error.to_string().contains("00000001.wal: byte"), "{error}");
        } else {
            assert_eq!(scan.unwrap().frames.len(), 2, "byte {at}");
        }
    }
}

#[test]
fn of_frames_under_one_sync_those_before_the_first_hole_count_whatever_else_the_disk_has() {
    let (bytes, ends) = build(1, Ended::default(), &[&[b"synced"], &[b"a", b"b", b"c"]]);
    for lost in 0..8_u8 {
        let mut torn = bytes.clone();
        for n in 0..3 {
            if lost & (1 << n) != 0 {
                torn[ends[n]..ends[n + 1]].fill(0);
            }
        }
        let scan = scan(&[(1, &torn)]).unwrap();
        let whole = lost.trailing_zeros().min(3) as usize;
        assert_eq!(scan.frames.len(), 1 + whole, "lost {lost:03b}");
        let last = (0..3).rfind(|n| lost & (1 << n) == 0 && *n >= whole);
        let torn = last.map_or(0, |last| ends[last + 1] - ends[whole]);
        assert_eq!(scan.torn, torn as u64, "lost {lost:03b}");
    }
}

#[test]
fn a_hole_in_front_of_a_frame_that_was_written_after_a_sync_is_damage() {
    let (bytes, ends) = build(1, Ended::default(), &[&[b"a", b"b"], &[b"c"]]);
    for (from, to) in [(SEGMENT_HEADER, ends[0]), (ends[0], ends[1])] {
        let mut holed = bytes.clone();
        holed[from..to].fill(0);
        assert!(is_damage(scan(&[(1, &holed)])));
    }
}

#[test]
fn what_lies_behind_the_end_that_the_next_segment_states_is_ignored() {
    let (one, ends) = first(&[b"good", b"failed"]);
    let (two, _) = build(2, after(1, ends[0]), &[&[b"after"]]);
    let scan = scan(&[(1, &one), (2, &two)]).unwrap();
    assert_eq!(payloads(&scan), [b"good".to_vec(), b"after".to_vec()]);
}

#[test]
fn damage_before_the_stated_end_is_never_taken_for_a_torn_end() {
    let (mut one, ends) = first(&[b"good"]);
    let (two, _) = build(2, after(1, ends[0]), &[&[b"x"]]);
    one[ends[0] - 1] ^= 1;
    assert!(is_damage(scan(&[(1, &one), (2, &two)])));
    let shorter = &one[..ends[0] - 1];
    assert!(is_damage(scan(&[(1, shorter), (2, &two)])));
    // Nor may it be another segment that ends there.
    assert!(is_damage(scan(&[(1, &two), (2, &two)])));
}

#[test]
fn a_segment_cut_before_its_first_sync_was_being_begun() {
    let (one, _) = first(&[b"good"]);
    let (two, _) = build(2, after(1, one.len()), &[&[b"x", b"y"]]);
    for cut in 0..SEGMENT_HEADER {
        let scan = scan(&[(1, &one), (2, &two[..cut])]).unwrap();
        assert_eq!(payloads(&scan), [b"good".to_vec()]);
    }
    // The sectors came to the disk in another order.
    let mut headless = two.clone();
    headless[..SEGMENT_HEADER].fill(0);
    let scan = scan(&[(1, &one), (2, &headless)]).unwrap();
    assert_eq!(payloads(&scan), [b"good".to_vec()]);
    assert_eq!(scan.torn, two.len() as u64);
}

#[test]
fn a_lost_header_is_damage_once_something_was_synced_behind_it() {
    let (one, _) = first(&[b"good"]);
    let (mut two, _) = build(2, after(1, one.len()), &[&[b"x"], &[b"y"]]);
    two[..SEGMENT_HEADER].fill(0);
    assert!(is_damage(scan(&[(1, &one), (2, &two)])));
}

#[test]
fn segments_before_a_missing_one_were_given_up() {
    let (one, _) = first(&[b"old"]);
    let (three, _) = build(3, after(2, 99), &[&[b"new"]]);
    let scan = scan(&[(1, &one), (3, &three)]).unwrap();
    assert_eq!(payloads(&scan), [b"new".to_vec()]);
}

#[test]
fn a_segment_that_its_successor_passes_over_does_not_count() {
    let (one, _) = first(&[b"old"]);
    let (two, _) = build(2, after(1, one.len()), &[&[b"failed"]]);
    let (three, _) = build(3, after(1, one.len()), &[&[b"new"]]);
    let scan = scan(&[(1, &one), (2, &two), (3, &three)]).unwrap();
    assert_eq!(payloads(&scan), [b"old".to_vec(), b"new".to_vec()]);
}

#[test]
fn segments_that_were_made_ready_are_no_end() {
    let (one, _) = first(&[b"good", b"better"]);
    let (old, _) = build(2, Ended::default(), &[&[b"stale"], &[b"staler"]]);
    for ready in [vec![], vec![0; 5000], old] {
        let scan = scan(&[(1, &one), (3, &ready), (4, &ready)]).unwrap();
        assert_eq!(payloads(&scan), [b"good".to_vec(), b"better".to_vec()]);
        assert_eq!(scan.torn, 0);
    }
}

#[test]
fn what_a_recycled_segment_held_before_is_never_taken_for_its_own() {
    let payload = |n: u8| vec![n; 100];
    let stale: Vec<Vec<u8>> = (0..20).map(payload).collect();
    let stale: Vec<&[u8]> = stale.iter().map(Vec::as_slice).collect();
    let (old, _) = first(&stale);
    for frames in 1..6 {
        let new: Vec<Vec<u8>> = (100..100 + frames).map(payload).collect();
        let groups: Vec<[&[u8]; 1]> = new.iter().map(|payload| [payload.as_slice()]).collect();
        let groups: Vec<&[&[u8]]> = groups.iter().map(|group| &group[..]).collect();
        let (bytes, ends) = build(3, Ended::default(), &groups);
        // Every frame is as long as a stale one and ends where one ended.
        let mut recycled = old.clone();
        recycled[..bytes.len()].copy_from_slice(&bytes);
        assert_eq!(payloads(&scan(&[(3, &recycled)]).unwrap()), new);
        // The last frame only began to be written.
        let begun = ends[ends.len() - 1] - 50;
        let mut torn = old.clone();
        torn[..begun].copy_from_slice(&bytes[..begun]);
        let scan = scan(&[(3, &torn)]).unwrap();
        assert_eq!(payloads(&scan), new[..new.len() - 1]);
    }
}

#[test]
fn a_frame_of_another_segment_or_place_does_not_pass() {
    let (other, ends) = build(2, Ended::default(), &[&[b"one"], &[b"two"]]);
    let (mut copied, _) = first(&[b"one"]);
    copied.extend(&other[ends[0]..]);
    assert_eq!(payloads(&scan(&[(1, &copied)]).unwrap()), [b"one".to_vec()]);
    let (mut moved, ends) = first(&[b"one"]);
    moved.extend_from_within(SEGMENT_HEADER..ends[0]);
    assert_eq!(payloads(&scan(&[(1, &moved)]).unwrap()), [b"one".to_vec()]);
}

#[test]
fn a_frame_larger_than_the_window_it_is_read_through_counts() {
    let large = vec![b'x'; 3 << 20];
    let (bytes, _) = first(&[b"small", &large, b"small too"]);
    let scan = scan(&[(1, &bytes)]).unwrap();
    assert_eq!(
        payloads(&scan),
        [b"small".to_vec(), large, b"small too".to_vec()]
    );
}
