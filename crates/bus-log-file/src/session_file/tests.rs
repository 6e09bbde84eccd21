use bus_log::{Event, Meta, SessionEvent, TenantId, ThreadKey, Utc};
use proptest::prelude::*;

use super::lines::line_start;
use super::*;
use crate::fs::Disk;
use crate::header::Header;
use crate::layout::ThreadId;
use crate::line::{Lines, prefix_of};

fn file(bytes: &[u8]) -> (tempfile::TempDir, DiskFile) {
    let dir = tempfile::tempdir().unwrap();
    let file = Disk::default()
        .create(&dir.path().join("file"))
        .unwrap()
        .unwrap();
    file.write_at(bytes, 0).unwrap();
    (dir, file)
}

/// Lines as `split` sees them: start, length, whether terminated.
fn expected(bytes: &[u8]) -> Vec<(u64, usize, bool)> {
    let mut start = 0;
    let mut lines = Vec::new();
    for line in bytes.split_inclusive(|byte| *byte == b'\n') {
        let terminated = line.ends_with(b"\n");
        lines.push((start, line.len() - usize::from(terminated), terminated));
        start += line.len() as u64;
    }
    lines
}

proptest! {
    #[test]
    fn lines_are_found_forwards_and_backwards(
        lens in prop::collection::vec(prop_oneof![0..5_usize, 4090..4100_usize, 65_530..65_540_usize, Just(200_000)], 0..6),
        rest in 0..3_usize,
    ) {
        let mut bytes = Vec::new();
        for len in lens {
            bytes.resize(bytes.len() + len, b'x');
            bytes.push(b'\n');
        }
        bytes.resize(bytes.len() + rest, b'y');
        let (_dir, file) = file(&bytes);
        let mut reader = LineReader::new(&file, 0, bytes.len() as u64);
        let mut found = Vec::new();
        while let Some(line) = reader.next().unwrap() {
            prop_assert_eq!(&bytes[line.start as usize..][..line.bytes.len()], line.bytes);
            found.push((line.start, line.bytes.len(), line.terminated));
        }
        let expected = expected(&bytes);
        prop_assert_eq!(&found, &expected);
        for (n, (start, len, terminated)) in (1..).zip(expected) {
            let end = start + len as u64 + u64::from(terminated);
            prop_assert_eq!(line_start(&file, 0, end).unwrap(), start);
            prop_assert_eq!(line_number(&file, start).unwrap(), n);
        }
    }
}

#[test]
fn a_line_without_end_is_not_read_without_end() {
    let bytes = vec![b'x'; crate::line::MAX_LINE * 2];
    let (_dir, file) = file(&bytes);
    let mut reader = LineReader::new(&file, 0, bytes.len() as u64);
    let line = reader.next().unwrap().unwrap();
    assert!(!line.terminated);
    assert!(line.bytes.len() < bytes.len());
}

#[test]
fn damage_is_read_again_before_it_is_told() {
    let mut reads = 0;
    let read = stable(|| {
        reads += 1;
        if reads < 3 {
            Err(LogError::corrupt("passing"))
        } else {
            Ok(reads)
        }
    });
    assert_eq!(read.unwrap(), 3);
    let lasting: Result<()> = stable(|| Err(LogError::corrupt("lasting")));
    assert!(lasting.is_err());
}

/// A session file of lines with so many bytes of text, and where each of them begins.
fn session(texts: impl Iterator<Item = usize>) -> (ThreadKey, Vec<u8>, Vec<u64>) {
    let key = ThreadKey::new(TenantId::new("t"), "a");
    let mut bytes = Header::first(key.clone(), 0).to_line();
    let mut starts = Vec::new();
    for (ordinal, len) in (1..).zip(texts) {
        let event = Event::from(SessionEvent::TextComplete("x".repeat(len)));
        let mut line = Lines::default();
        line.push(1, 1, Utc::now(), &Meta::default(), &event)
            .unwrap();
        line.stamp(&ThreadId::new(&key), ordinal);
        starts.push(bytes.len() as u64);
        bytes.extend_from_slice(line.as_bytes());
    }
    (key, bytes, starts)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn a_whole_line_is_found_whatever_a_damaged_one_behind_it_shows(
        count in 20..60_usize,
        turns in any::<prop::sample::Index>(),
        [before, after] in [prop_oneof![0..200_usize, 800..2000_usize], prop_oneof![0..200_usize, 800..2000_usize]],
    ) {
        let turns = turns.index(count);
        let texts = (0..count).map(|n| if n < turns { before } else { after });
        let (key, bytes, starts) = session(texts);
        let (_dir, file) = file(&bytes);
        // The last line tells how far the session reaches.
        for liar in 1..count - 1 {
            let at = starts[liar];
            let line = &bytes[at as usize..][..crate::line::PEEK];
            for shown in 1..=liar as u64 {
                file.write_at(&prefix_of(shown, 0)[..line.len()], at).unwrap();
                let snapshot = Snapshot::of(&file, Some(&key)).unwrap().unwrap();
                let found = find(&file, &snapshot, shown).unwrap();
                prop_assert_eq!(found, starts[shown as usize - 1], "line {} shows {}", liar + 1, shown);
            }
            file.write_at(line, at).unwrap();
        }
    }
}
