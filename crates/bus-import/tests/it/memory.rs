//! Memory stays bounded, whatever the size of the file.

use std::io::{self, BufReader, Read};
use std::process::Command;

use bus_import::{Format, Importer};

/// A transcript that is made while it is read: records of `size` bytes each.
struct Endless {
    records: usize,
    size: usize,
    shape: Shape,
    n: usize,
    now: Vec<u8>,
    at: usize,
}

#[derive(Clone, Copy, Debug)]
enum Shape {
    /// One long text.
    Text,
    /// Many small blocks.
    Blocks,
    /// Many small values, of which a tree would be far larger than their text.
    Input,
    /// A record that is never finished, on one endless line.
    Unfinished,
}

impl Endless {
    fn make(&mut self) {
        let n = self.n;
        let (fill, end) = match self.shape {
            Shape::Text => (
                "lorem ipsum dolor sit amet, consectetur adipiscing elit, sed \\n"
                    .repeat(self.size / 64),
                r#""}]}}"#,
            ),
            Shape::Blocks => (
                r#""},{"type":"text","text":"x"#.repeat(self.size / 27),
                r#""}]}}"#,
            ),
            Shape::Input => (
                format!(
                    r#""}},{{"type":"tool_use","id":"t{n}","name":"N","input":[0{}"#,
                    ",1".repeat(self.size / 2)
                ),
                "]}]}}",
            ),
            Shape::Unfinished => ("x".repeat(self.size), ""),
        };
        let begin = format!(
            r#"{{"type":"assistant","sessionId":"s","uuid":"u{n}","timestamp":"2026-01-01T00:00:00Z","message":{{"id":"m{n}","model":"m","usage":{{"output_tokens":1}},"content":[{{"type":"text","text":""#
        );
        let begin = match self.shape {
            Shape::Unfinished if n > 0 => String::new(),
            _ => begin,
        };
        let line_break = if matches!(self.shape, Shape::Unfinished) {
            ""
        } else {
            "\n"
        };
        self.now = [begin, fill, end.to_owned(), line_break.to_owned()]
            .concat()
            .into_bytes();
        self.at = 0;
        self.n += 1;
    }
}

impl Read for Endless {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        if self.at == self.now.len() {
            if self.n == self.records {
                return Ok(0);
            }
            self.make();
        }
        let count = to.len().min(self.now.len() - self.at);
        to[..count].copy_from_slice(&self.now[self.at..self.at + count]);
        self.at += count;
        Ok(count)
    }
}

/// The most memory that this process has had, in MiB.
fn peak_mib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmHWM"))
        .unwrap();
    let kib: u64 = line.split_whitespace().nth(1).unwrap().parse().unwrap();
    kib / 1024
}

/// The largest record that these tests read.
const LIMIT: usize = 64 << 20;

const CHILD: &str = "BUS_IMPORT_MEMORY_TEST";

/// Imports in a process of its own, because the peak is the whole process's.
fn peak_of(test: &str, records: usize, mib: usize, shape: Shape) -> Option<u64> {
    if std::env::var(CHILD).is_ok() {
        let endless = Endless {
            records,
            size: mib << 20,
            shape,
            n: 0,
            now: Vec::new(),
            at: 0,
        };
        let mut importer = Importer::new(BufReader::new(endless), "e.jsonl", Format::ClaudeCode)
            .with_max_record_bytes(LIMIT);
        let mut events = 0;
        for item in importer.by_ref() {
            item.unwrap();
            events += 1;
        }
        assert_eq!(importer.figures()[0].events, events);
        assert!(importer.bytes_read() > ((records * mib) << 20) as u64 * 9 / 10);
        println!("peak {} of {events} events", peak_mib());
        return None;
    }
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture", "--test-threads=1"])
        .env(CHILD, "1")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success(),
        "{said}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let peak = said.split_once("peak ").unwrap().1;
    Some(peak.split(' ').next().unwrap().parse().unwrap())
}

#[test]
fn two_hundred_megabytes_of_long_lines_take_a_few_lines_of_memory() {
    let name = "memory::two_hundred_megabytes_of_long_lines_take_a_few_lines_of_memory";
    if let Some(peak) = peak_of(name, 200, 1, Shape::Text) {
        assert!(peak < 32, "{peak} MiB");
    }
}

#[test]
fn a_record_of_24_megabytes_takes_a_few_times_its_size() {
    let name = "memory::a_record_of_24_megabytes_takes_a_few_times_its_size";
    // One of these times is the test's own: it holds the record to be read.
    if let Some(peak) = peak_of(name, 2, 24, Shape::Text) {
        assert!(peak < 150, "{peak} MiB");
    }
}

#[test]
fn a_record_of_200_000_blocks_takes_a_few_times_its_size() {
    let name = "memory::a_record_of_200_000_blocks_takes_a_few_times_its_size";
    if let Some(peak) = peak_of(name, 2, 6, Shape::Blocks) {
        assert!(peak < 60, "{peak} MiB");
    }
}

#[test]
fn a_record_of_three_million_values_takes_a_few_times_its_size() {
    let name = "memory::a_record_of_three_million_values_takes_a_few_times_its_size";
    if let Some(peak) = peak_of(name, 2, 6, Shape::Input) {
        assert!(peak < 60, "{peak} MiB");
    }
}

#[test]
fn a_line_without_end_is_given_up_and_takes_no_more_than_the_largest_record() {
    let name = "memory::a_line_without_end_is_given_up_and_takes_no_more_than_the_largest_record";
    if let Some(peak) = peak_of(name, 20, 8, Shape::Unfinished) {
        // The buffer doubles as it grows, and the old half is there while it is copied.
        assert!(peak < 2 * 64 + 32, "{peak} MiB");
    }
}
