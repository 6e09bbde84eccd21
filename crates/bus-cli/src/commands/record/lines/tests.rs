use std::io::{self, Cursor, Read};

use super::{LONGEST, Line, Lines, read};

fn lines(input: impl Read) -> Vec<Line> {
    let mut lines = Lines {
        input: io::BufReader::with_capacity(super::BUFFER, input),
        number: 0,
    };
    let mut all = Vec::new();
    loop {
        let (batch, more) = lines.batch();
        all.extend(batch);
        if !more {
            return all;
        }
    }
}

fn good(lines: &[Line]) -> Vec<(u64, &str)> {
    lines
        .iter()
        .filter_map(|line| Some((line.number, line.text.as_ref().ok()?.trim_end())))
        .collect()
}

#[test]
fn lines_keep_their_numbers_over_blank_ones_and_the_last_needs_no_end() {
    let all = lines(Cursor::new("a\r\n\n  \nb\nc"));
    assert_eq!(good(&all), [(1, "a"), (4, "b"), (5, "c")]);
}

#[test]
fn a_line_that_is_not_utf_8_or_too_long_costs_only_itself() {
    let mut input = b"a\n\xff\n".to_vec();
    input.resize(input.len() + LONGEST + 1, b'x');
    input.extend(b"\nb\n");
    let all = lines(Cursor::new(input));
    assert_eq!(good(&all), [(1, "a"), (4, "b")]);
    let bad: Vec<u64> = all
        .iter()
        .filter(|l| l.text.is_err())
        .map(|l| l.number)
        .collect();
    assert_eq!(bad, [2, 3]);
}

#[test]
fn the_longest_line_fits() {
    let mut input = vec![b'x'; LONGEST];
    input.extend(b"\nb");
    let all = lines(Cursor::new(input));
    assert_eq!(all[0].text.as_ref().unwrap().len(), LONGEST + 1);
    assert_eq!(good(&all[1..]), [(2, "b")]);
}

#[test]
fn an_input_that_breaks_off_says_so_after_what_was_read() {
    struct Broken;
    impl Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::Error::other("gone"))
        }
    }
    let all = lines(Cursor::new("a\nb\n").chain(Broken));
    assert_eq!(good(&all), [(1, "a"), (2, "b")]);
    let error = all[2].text.as_ref().unwrap_err();
    assert_eq!(error.to_string(), "can't read the rest of the input");
}

#[tokio::test]
async fn a_line_comes_while_the_input_is_still_open() {
    let (input, mut output) = io::pipe().unwrap();
    let mut batches = read(input);
    io::Write::write_all(&mut output, b"a\nb").unwrap();
    let batch = batches.recv().await.unwrap();
    assert_eq!(good(&batch), [(1, "a")]);
    drop(output);
    let batch = batches.recv().await.unwrap();
    assert_eq!(good(&batch), [(2, "b")]);
    assert!(batches.recv().await.is_none());
}
