//! Text, numbers and times for people.

use bus_log::{DateTime, Utc};
use unicode_width::UnicodeWidthChar;

/// `text` on one line of at most `columns`: white space joined, control characters made visible,
/// what does not fit cut off with `…`.
pub(crate) fn one_line(text: &str, columns: usize) -> String {
    let columns = columns.max(1);
    let mut line = String::new();
    let mut used = 0;
    // Where to cut so that the mark still fits.
    let mut cut = 0;
    let mut space = false;
    for c in text.chars() {
        if c.is_whitespace() {
            space = !line.is_empty();
            continue;
        }
        let c = visible(c);
        if std::mem::take(&mut space) {
            line.push(' ');
            used += 1;
        }
        used += width(c);
        if used > columns {
            line.truncate(cut);
            line.push('…');
            return line;
        }
        line.push(c);
        if used < columns {
            cut = line.len();
        }
    }
    line
}

/// All of `text`, in lines of at most `columns`, broken at spaces where there are any.
pub(crate) fn wrapped(text: &str, columns: usize) -> Vec<String> {
    let columns = columns.max(1);
    let mut lines = Vec::new();
    for paragraph in text.lines() {
        let mut line = String::new();
        let mut used = 0;
        for c in paragraph.chars().flat_map(expanded) {
            if used + width(c) > columns {
                let rest = match line.rfind(' ') {
                    Some(space) => line.split_off(space + 1),
                    None => String::new(),
                };
                lines.push(line.trim_end().to_owned());
                used = rest.chars().map(width).sum();
                line = rest;
            }
            line.push(c);
            used += width(c);
        }
        lines.push(line.trim_end().to_owned());
    }
    lines
}

/// A tab as spaces, any other character visible.
fn expanded(c: char) -> impl Iterator<Item = char> {
    let (c, times) = if c == '\t' { (' ', 4) } else { (visible(c), 1) };
    std::iter::repeat_n(c, times)
}

/// What may be shown for `c`: a log's text must not be able to command the terminal.
fn visible(c: char) -> char {
    match c {
        '\0'..='\x1f' => char::from_u32(0x2400 + u32::from(c)).unwrap_or('\u{fffd}'),
        '\x7f' => '\u{2421}',
        // C1 controls, and those that turn the direction of writing.
        '\u{80}'..='\u{9f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => '\u{fffd}',
        c => c,
    }
}

fn width(c: char) -> usize {
    c.width().unwrap_or(0)
}

/// Columns that `text` takes.
pub(crate) fn columns(text: &str) -> usize {
    text.chars().map(width).sum()
}

/// `1234567` as `1,234,567`.
pub(crate) fn count(n: u64) -> String {
    let digits = n.to_string();
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// [`count`] with a noun, in the plural where it is not 1.
pub(crate) fn counted(n: u64, noun: &str) -> String {
    let plural = if n == 1 { "" } else { "s" };
    format!("{} {noun}{plural}", count(n))
}

/// A duration in the two units that matter: `950 ms`, `12.3 s`, `4 m 05 s`, `2 h 13 m`, `3 d 04 h`.
pub(crate) fn duration(ms: u64) -> String {
    let s = ms / 1000;
    match s {
        0 => format!("{ms} ms"),
        1..60 => format!("{s}.{} s", ms % 1000 / 100),
        60..3_600 => format!("{} m {:02} s", s / 60, s % 60),
        3_600..86_400 => format!("{} h {:02} m", s / 3_600, s % 3_600 / 60),
        _ => format!("{} d {:02} h", s / 86_400, s % 86_400 / 3_600),
    }
}

/// From `first` to `last` in milliseconds; 0 if time went back.
pub(crate) fn between(first: DateTime<Utc>, last: DateTime<Utc>) -> u64 {
    u64::try_from((last - first).num_milliseconds()).unwrap_or(0)
}

/// A moment to the second, in UTC.
pub(crate) fn moment(at: DateTime<Utc>) -> String {
    at.format("%Y-%m-%d %H:%M:%S").to_string()
}

/// A size in bytes.
pub(crate) fn bytes(n: u64) -> String {
    match n {
        0..1_024 => format!("{n} B"),
        1_024..1_048_576 => format!("{:.1} KiB", n as f64 / 1_024.0),
        1_048_576..1_073_741_824 => format!("{:.1} MiB", n as f64 / 1_048_576.0),
        _ => format!("{:.1} GiB", n as f64 / 1_073_741_824.0),
    }
}

#[cfg(test)]
mod tests;
