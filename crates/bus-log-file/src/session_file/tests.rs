use proptest::prelude::*;

use super::lines::line_start;
use super::*;
use crate::fs::Disk;

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
