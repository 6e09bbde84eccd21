use std::io::{BufReader, Read};

use super::*;

fn any_typed(text: &str) -> bool {
    crate::raw::get(Some(text), "type").is_some()
}

fn pieces_of(bytes: &[u8], capacity: usize) -> Vec<Piece> {
    let mut scanner = Scanner::new(BufReader::with_capacity(capacity, bytes), any_typed);
    std::iter::from_fn(|| scanner.next_piece().unwrap()).collect()
}

fn pieces(bytes: &[u8]) -> Vec<Piece> {
    let pieces = pieces_of(bytes, 8192);
    assert_eq!(pieces, pieces_of(bytes, 1), "chunk size must not matter");
    pieces
}

fn record(line: u64, text: &str) -> Piece {
    Piece::Record {
        line,
        text: text.to_owned(),
    }
}

fn damaged(line: u64) -> Piece {
    Piece::Damaged { line }
}

#[test]
fn each_line_is_a_record() {
    assert_eq!(
        pieces(b"{\"a\":\"}{\\\"\"}\r\n\n  {\"b\":{\"c\":[{}]}}\n"),
        [
            record(1, r#"{"a":"}{\""}"#),
            record(3, r#"{"b":{"c":[{}]}}"#)
        ]
    );
}

#[test]
fn two_records_on_a_line_are_both_read_and_no_damage() {
    assert_eq!(
        pieces(b"{\"a\":1}{\"b\":2} {}\n"),
        [
            record(1, r#"{"a":1}"#),
            record(1, r#"{"b":2}"#),
            record(1, "{}")
        ]
    );
}

#[test]
fn a_last_record_without_line_break_counts_and_a_cut_one_waits() {
    assert_eq!(
        pieces(b"{\"a\":1}\n{\"b\":2}"),
        [record(1, r#"{"a":1}"#), record(2, r#"{"b":2}"#)]
    );
    assert_eq!(pieces(b"{\"a\":1}\n{\"b\":2"), [record(1, r#"{"a":1}"#)]);
    assert_eq!(pieces(b"{\"a\":1}\nnonsense"), [record(1, r#"{"a":1}"#)]);
}

#[test]
fn a_bad_line_in_the_middle_is_damage() {
    for bad in [
        "{\"a\":",
        "{\"a\":tru}",
        "nonsense",
        "{]}",
        "\0\0\0",
        "12",
        "{\"a\":\"\u{1}\"}",
    ] {
        let text = format!("{{}}\n{bad}\n{{}}\n");
        assert_eq!(
            pieces(text.as_bytes()),
            [record(1, "{}"), damaged(2), record(3, "{}")],
            "{bad:?}"
        );
    }
}

#[test]
fn a_record_behind_a_cut_one_is_saved() {
    let next = r#"{"type":"b","n":2}"#;
    for cut in [
        r#"{"type":"a","text":"cut in a stri"#,
        r#"{"type":"a","text":"cut before an escape \"#,
        r#"{"type":"a","part":{"x":{"y":1},"z":"#,
        r#"{"type":"a","#,
        r#"{"type":"a"}}"#,
        r#"{"ty"#,
        "{",
        "\0\0\0\0",
    ] {
        let text = format!("{cut}{next}\n{next}\n");
        let found = pieces(text.as_bytes());
        let tail = [record(1, next), damaged(1), record(2, next)];
        assert!(found.ends_with(&tail), "{cut:?} gave {found:?}");
    }
}

#[test]
fn a_last_record_behind_zeros_counts_and_one_behind_a_cut_one_waits() {
    let next = r#"{"type":"b","n":2}"#;
    assert_eq!(pieces(format!("\0\0{next}").as_bytes()), [record(1, next)]);
    assert_eq!(pieces(format!("{{\"type\":{next}").as_bytes()), []);
}

#[test]
fn parts_of_a_cut_record_are_no_records() {
    let text = "{\"type\":\"a\",\"m\":{\"type\":\"part\",\"x\":1},\"n\":[{\"type\":\"part\"}],\"o\":\"cut\n";
    assert_eq!(pieces(text.as_bytes()), [damaged(1)]);
}

#[test]
fn invalid_utf8_is_replaced_and_the_line_counted() {
    assert_eq!(
        pieces(b"{\"a\":\"\xff\"}\n{}\n"),
        [
            record(1, "{\"a\":\"\u{fffd}\"}"),
            damaged(1),
            record(2, "{}")
        ]
    );
}

#[test]
fn a_byte_order_mark_is_no_damage() {
    assert_eq!(pieces_of(b"\xef\xbb\xbf{}\n", 8192), [record(1, "{}")]);
}

#[test]
fn more_than_fits_is_damage_and_the_next_line_is_read() {
    let mut scanner =
        Scanner::new(&b"{\"a\":\"123456789\"}\n{\"b\":1}\n"[..], any_typed).with_limit(10);
    let found: Vec<_> = std::iter::from_fn(|| scanner.next_piece().unwrap()).collect();
    assert_eq!(found, [damaged(1), record(2, r#"{"b":1}"#)]);
}

#[test]
fn what_a_cut_file_gives_is_a_prefix_of_what_the_whole_gives() {
    let whole: &[u8] = b"{\"type\":\"a\"}{\"type\":\"b\"\n\0\0{\"type\":\"c\",\"x\":\"\xc3\xa9\"}\n{\"t\":\"\xff\"} {\"type\":\"d\"}\n\n{\"type\":\"e\"}";
    let all = pieces(whole);
    for cut in 0..=whole.len() {
        let some = pieces(&whole[..cut]);
        assert!(all.starts_with(&some), "cut at {cut}: {some:?}");
    }
}

#[test]
fn damage_made_to_be_slow_is_given_up() {
    // Each brace begins an object that is read to the end before it fails.
    let line = format!("{{\"a\":{}\n", "[{\"a\":1},".repeat(200_000));
    assert_eq!(pieces_of(line.as_bytes(), 8192), [damaged(1)]);
}

#[test]
fn an_error_of_the_reader_is_passed_on() {
    struct Broken;
    impl Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::Error::other("gone"))
        }
    }
    let mut scanner = Scanner::new(BufReader::new(Broken), any_typed);
    assert_eq!(scanner.next_piece().unwrap_err().to_string(), "gone");
}

#[test]
fn a_record_behind_a_cut_one_is_found_however_deep_that_was() {
    let deep = "{\"a\":".repeat(5000);
    for cut in ["{\"b\":\"cut ", "{\"b\":", "{\"b\":1,", "{", ""] {
        let line = format!("{deep}{cut}{{\"type\":1,\"x\":{{}}}}\n");
        assert_eq!(
            pieces(line.as_bytes()),
            [record(1, r#"{"type":1,"x":{}}"#), damaged(1)],
            "{cut}"
        );
    }
}
