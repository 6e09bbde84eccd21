use bus_log::{DateTime, Utc};

use super::{between, bytes, columns, count, counted, duration, one_line, wrapped};

#[test]
fn one_line_joins_white_space_and_cuts_with_a_mark() {
    assert_eq!(one_line("  a\n\tb  c ", 10), "a b c");
    assert_eq!(one_line("abcdef", 6), "abcdef");
    assert_eq!(one_line("abcdefg", 6), "abcde…");
    assert_eq!(one_line("abcd efg", 6), "abcd…");
    assert_eq!(one_line("abc", 0), "…");
}

#[test]
fn wide_characters_count_twice() {
    let cut = one_line("日本語日本語", 7);
    assert_eq!(cut, "日本語…");
    assert_eq!(columns(&cut), 7);
}

#[test]
fn no_text_can_command_the_terminal() {
    let shown = one_line("a\x1b[31mred\x07\u{9b}x\u{202e}y", 80);
    assert_eq!(shown, "a␛[31mred␇\u{fffd}x\u{fffd}y");
    assert!(wrapped("\x1b]0;title\x07", 80)[0].starts_with('␛'));
}

#[test]
fn wrapped_text_breaks_at_spaces_and_loses_nothing() {
    let text = "the quick brown fox\n\njumps\tover abcdefghijklmnop";
    let lines = wrapped(text, 10);
    assert!(lines.iter().all(|line| columns(line) <= 10), "{lines:?}");
    assert_eq!(lines[..3], ["the quick", "brown fox", ""]);
    let letters = |s: &str| s.replace(char::is_whitespace, "");
    assert_eq!(letters(&lines.concat()), letters(text));
}

#[test]
fn numbers_are_grouped_by_three() {
    assert_eq!(count(0), "0");
    assert_eq!(count(999), "999");
    assert_eq!(count(1_000), "1,000");
    assert_eq!(count(41_177_189), "41,177,189");
    assert_eq!(counted(1, "event"), "1 event");
    assert_eq!(counted(2_000, "event"), "2,000 events");
}

#[test]
fn durations_have_two_units_at_most() {
    assert_eq!(duration(950), "950 ms");
    assert_eq!(duration(12_345), "12.3 s");
    assert_eq!(duration(245_000), "4 m 05 s");
    assert_eq!(duration(7_980_000), "2 h 13 m");
    assert_eq!(duration(273_600_000), "3 d 04 h");
}

#[test]
fn time_that_went_back_took_no_time() {
    let at = |s| DateTime::<Utc>::from_timestamp(s, 0).unwrap();
    assert_eq!(between(at(1), at(3)), 2000);
    assert_eq!(between(at(3), at(1)), 0);
}

#[test]
fn sizes_have_binary_units() {
    assert_eq!(bytes(1_023), "1023 B");
    assert_eq!(bytes(1_536), "1.5 KiB");
    assert_eq!(bytes(3 << 30), "3.0 GiB");
}
