//! What the fuzzer begins with.

use std::path::Path;
use std::{env, fs};

use bus_log::ThreadKey;

use super::super::segment::{JOURNAL, NUMBER};
use super::super::{key, seal, session_search, written};
use crate::header::Header;
use crate::journal::Record;
use crate::line::PREFIX;

/// So many lines of growing length, from ordinal 1.
fn lines(count: u64) -> Vec<Vec<u8>> {
    (1..=count)
        .map(|n| written(n, &format!("{n} {}", "x".repeat(n as usize * 9))))
        .collect()
}

fn session() -> Vec<u8> {
    let header = Header::first(key(), 0).to_line();
    [vec![header], lines(5)].concat().concat()
}

/// Where the third line stands.
fn behind_two() -> u64 {
    let header = Header::first(key(), 0).to_line();
    (header.len() + lines(2).concat().len()) as u64
}

/// A record of the lines `first..=last` of a session, for the byte `position` of its file.
fn record(key: &ThreadKey, first: u64, last: u64, position: u64) -> Vec<u8> {
    let mut bytes = lines(last)[first as usize - 1..].concat();
    if position == 0 {
        bytes = [Header::first(key.clone(), 0).to_line(), bytes].concat();
    }
    let mut payload = Vec::new();
    Record {
        key,
        first,
        last,
        position,
        bytes: &bytes,
    }
    .write(&mut payload);
    payload
}

/// A segment of frames with these payloads, to be sealed.
fn segment(payloads: &[Vec<u8>], sealed_by_fuzzer: bool) -> Vec<u8> {
    let mut bytes = vec![0; 56];
    for payload in payloads {
        bytes.extend_from_slice(&[0; 8]);
        bytes.extend_from_slice(&(payload.len() as u64).to_le_bytes());
        bytes.extend_from_slice(&[0; 24]);
        bytes.extend_from_slice(payload);
    }
    // Filler, as a segment has it that was made ready.
    bytes.extend_from_slice(&[0; 64]);
    seal::segment(&mut bytes, JOURNAL, NUMBER);
    bytes.insert(0, u8::from(sealed_by_fuzzer));
    bytes
}

fn seeds() -> Vec<(&'static str, Vec<u8>)> {
    let one = record(&key(), 1, 2, 0);
    let end = behind_two();
    let two = [one.clone(), record(&key(), 3, 3, end)];
    let between = lines(40).concat();
    let mut torn = session();
    torn.truncate(torn.len() - 30);
    vec![
        ("line/text", lines(1)[0].trim_ascii_end()[PREFIX..].to_vec()),
        (
            "line/meta",
            br#""batch":[1,1],"at":"2026-01-02T03:04:05.678901Z","meta":{"run":"7","n":[1,{"a":null}]},"event":{"type":"app.note","data":{"x":1.5e3,"y":"\u00e9\\"}}}"#.to_vec(),
        ),
        (
            "line/old",
            br#""batch":[7,9],"at":"-0001-12-31T23:59:60Z","event":{"data":[],"type":"session.done"}}"#.to_vec(),
        ),
        ("session_file/whole", session()),
        ("session_file/torn", torn),
        ("session_search/lines", [&[0, 40][..], &between].concat()),
        ("session_search/sealed", [&[1, 40][..], &between].concat()),
        ("session_search/hole", [&[1, 40][..], &between[..3000]].concat()),
        ("segment/one", segment(std::slice::from_ref(&one), false)),
        ("segment/sealed", segment(&two, true)),
        ("segment/one-frame", segment(&[two.concat()], true)),
    ]
}

#[test]
fn the_committed_seeds_are_what_is_written_today() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds");
    for (name, bytes) in seeds() {
        let path = folder.join(name);
        if env::var_os("BUS_LOG_FILE_SEEDS").is_some() {
            fs::write(&path, &bytes).unwrap();
        }
        assert_eq!(fs::read(&path).ok(), Some(bytes), "{name}");
    }
}

#[test]
fn every_seed_holds_what_the_fuzzer_asks() {
    for (name, bytes) in seeds() {
        match name.split_once('/').unwrap().0 {
            "line" => super::super::line(&bytes),
            "session_file" => super::super::session_file(&bytes),
            "session_search" => session_search(&bytes),
            _ => super::super::segment(&bytes),
        }
    }
}

#[test]
fn a_record_that_would_begin_within_a_line_is_refused() {
    for (position, refused) in [(behind_two(), false), (behind_two() - 5, true)] {
        let payloads = [record(&key(), 1, 2, 0), record(&key(), 3, 3, position)];
        let home = super::super::segment::home(&segment(&payloads, true)[1..]);
        assert_eq!(home.is_err(), refused, "{home:?}");
    }
}

#[test]
fn ordinals_that_no_lines_can_have_are_no_reason_to_panic() {
    let line = written(u64::MAX, "the last there is");
    let header = Header::first(key(), u64::MAX - 1).to_line();
    let all = [header, line].concat();
    let home = |records: &[(u64, u64, u64, &[u8])]| {
        let mut payload = Vec::new();
        for &(first, last, position, bytes) in records {
            let key = &key();
            let record = Record {
                key,
                first,
                last,
                position,
                bytes,
            };
            record.write(&mut payload);
        }
        super::super::segment::home(&segment(&[payload], true)[1..])
    };
    let end = all.len() as u64;
    assert!(home(&[(u64::MAX, u64::MAX, 0, &all)]).is_ok());
    // Ordinals rise: the first of them belongs behind bytes that are not there.
    home(&[(u64::MAX, u64::MAX, 0, &all), (1, 1, end, &lines(1)[0])]).unwrap_err();
    let refused = home(&[(1, u64::MAX, 0, &all)]).unwrap_err();
    assert!(refused.contains("a record that can't be read"), "{refused}");
}

#[test]
fn a_sealed_segment_is_brought_home_and_a_changed_one_is_not() {
    let two = [record(&key(), 1, 2, 0), record(&key(), 3, 3, behind_two())].concat();
    let mut bytes = segment(&[two], true);
    let home = super::super::segment::home(&bytes[1..]).unwrap();
    assert_eq!(home.len(), 1, "{home:?}");
    let at = memchr::memmem::find(&bytes, b"xxxxx").unwrap();
    bytes[at] = b'y';
    let home = super::super::segment::home(&bytes[1..]);
    assert!(home.is_ok_and(|home| home.is_empty()));
}
