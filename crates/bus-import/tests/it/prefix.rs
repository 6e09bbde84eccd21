//! What a shorter copy of a file gives is a prefix of what the whole gives.

use std::collections::HashMap;
use std::sync::Arc;

use bus_import::{Figures, Format, Imported, fingerprint};

use crate::shared;

/// A generator of numbers that are the same in every run.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % limit.max(1) as u64).unwrap()
    }
}

/// Where each thread's events stand in the order of the whole file.
fn threads(events: &[Imported]) -> HashMap<Arc<str>, Vec<&Imported>> {
    let mut threads: HashMap<_, Vec<_>> = HashMap::new();
    for item in events {
        threads.entry(item.thread.clone()).or_default().push(item);
    }
    threads
}

/// Cuts at the ends of records and around them, and anywhere.
fn cuts(bytes: &[u8], count: usize, random: &mut Random) -> Vec<usize> {
    let breaks: Vec<_> = memchr_iter(b'\n', bytes).collect();
    let mut cuts = vec![0, 1];
    for line in breaks.iter().take(12) {
        cuts.extend([line - 1, *line, line + 1, line + 2]);
    }
    for _ in 0..count {
        if !breaks.is_empty() {
            let line = breaks[random.below(breaks.len())];
            cuts.push(line - 1 + random.below(4));
        }
        cuts.push(random.below(bytes.len() + 1));
    }
    cuts.retain(|cut| *cut <= bytes.len());
    cuts
}

fn memchr_iter(byte: u8, bytes: &[u8]) -> impl Iterator<Item = usize> {
    bytes
        .iter()
        .enumerate()
        .filter_map(move |(at, b)| (*b == byte).then_some(at))
}

fn assert_prefix(name: &str, format: Format, whole: &[u8], cuts: &[usize]) {
    let (all, _) = shared::import(name, format, whole);
    let all = threads(&all);
    for cut in cuts {
        let (some, figures) = shared::import(name, format, &whole[..*cut]);
        for (thread, some) in threads(&some) {
            let all = all.get(&thread).unwrap_or_else(|| {
                panic!("{name} cut at {cut}: thread {thread} is not in the whole")
            });
            assert!(
                some.len() <= all.len(),
                "{name} cut at {cut}: {thread} has more events"
            );
            for (n, (some, all)) in some.iter().zip(all).enumerate() {
                assert_eq!(some, all, "{name} cut at {cut}: event {n} of {thread}");
            }
        }
        for figures in figures {
            let events = some.iter().filter(|item| *item.thread == *figures.thread);
            let mut folded = Figures::new(&*figures.thread);
            events.for_each(|item| folded.add(&item.at, &item.meta, &item.event));
            if folded.events > 0 {
                assert_eq!(folded, figures, "{name} cut at {cut}");
            } else {
                assert_eq!(figures.events, 0, "{name} cut at {cut}");
            }
        }
    }
}

#[test]
fn every_real_file_is_prefix_stable() {
    if !shared::are_there() {
        return;
    }
    let mut random = Random(0x5eed);
    for name in shared::expected().keys() {
        let whole = shared::bytes(name);
        let format = shared::detect(&whole).unwrap();
        // Small files at many places, large ones at some.
        let count = (400_000 / whole.len()).clamp(2, 40);
        let mut cuts = cuts(&whole, count, &mut random);
        if whole.len() > 300_000 {
            cuts = cuts.split_off(cuts.len() - 4);
        }
        assert_prefix(name, format, &whole, &cuts);
    }
}

#[test]
fn the_beginning_of_every_real_file_is_prefix_stable_at_every_line() {
    if !shared::are_there() {
        return;
    }
    for name in shared::expected().keys() {
        let whole = shared::bytes(name);
        let format = shared::detect(&whole).unwrap();
        let ends: Vec<_> = memchr_iter(b'\n', &whole).take(20).collect();
        let Some(last) = ends.last() else { continue };
        let cuts: Vec<_> = ends
            .iter()
            .flat_map(|end| [end - 1, *end, end + 1])
            .collect();
        assert_prefix(name, format, &whole[..=*last], &cuts);
    }
}

#[test]
fn a_damaged_real_file_is_prefix_stable() {
    if !shared::are_there() {
        return;
    }
    let mut random = Random(0xbad);
    for name in [
        "claude/claude-2.1.7-glued-line.jsonl",
        "codex/codex-0.139.0-exec-b.jsonl",
        "codex/codex-legacy-20250824-mid.jsonl",
    ] {
        let whole = shared::bytes(name);
        let format = shared::detect(&whole).unwrap();
        for _ in 0..6 {
            let mut damaged = whole[..whole.len().min(90_000)].to_vec();
            for _ in 0..12 {
                damage(&mut damaged, &mut random);
            }
            let cuts = cuts(&damaged, 6, &mut random);
            assert_prefix(name, format, &damaged, &cuts);
        }
    }
}

/// One piece of damage as users report it.
pub(crate) fn damage(bytes: &mut Vec<u8>, random: &mut Random) {
    if bytes.is_empty() {
        return;
    }
    let at = random.below(bytes.len());
    let upto = (at + random.below(200)).min(bytes.len());
    match random.below(6) {
        0 => bytes[at] = u8::try_from(random.below(256)).unwrap(),
        1 => drop(bytes.drain(at..upto)),
        2 => bytes[at..upto].fill(0),
        3 => bytes.insert(at, b'\n'),
        4 => bytes.retain({
            let mut n = 0;
            move |_| {
                n += 1;
                n != at
            }
        }),
        _ => {
            let again = bytes[at..upto].to_vec();
            bytes.splice(at..at, again);
        }
    }
}

/// A log that is imported into as the program does it.
#[derive(Default)]
struct Log(HashMap<Arc<str>, Vec<Imported>>);

impl Log {
    fn import(&mut self, name: &str) -> (usize, Vec<Figures>) {
        let bytes = shared::bytes(name);
        let format = shared::detect(&bytes).unwrap();
        let (events, figures) = shared::import(name, format, &bytes);
        let mut seen: HashMap<Arc<str>, usize> = HashMap::new();
        let mut appended = 0;
        for item in events {
            let n = seen.entry(item.thread.clone()).or_default();
            let thread = self.0.entry(item.thread.clone()).or_default();
            *n += 1;
            if *n > thread.len() {
                thread.push(item);
                appended += 1;
            }
        }
        (appended, figures)
    }

    fn figures(&self, thread: &str) -> Figures {
        let mut figures = Figures::new(thread);
        for item in &self.0[thread] {
            figures.add(&item.at, &item.meta, &item.event);
        }
        figures
    }
}

#[test]
fn part_one_then_two_then_one_again_adds_up_to_part_two() {
    if !shared::are_there() {
        return;
    }
    for (one, two) in [
        (
            "codex/codex-0.125.0-part1.jsonl",
            "codex/codex-0.125.0-part2-aborted.jsonl",
        ),
        (
            "claude/claude-2.1.199-part1.jsonl",
            "claude/claude-2.1.199-part2.jsonl",
        ),
    ] {
        let mut log = Log::default();
        let (first, figures) = log.import(one);
        assert!(first > 0);
        assert_eq!(log.figures(&figures[0].thread), figures[0]);
        let (second, figures) = log.import(two);
        assert!(second > 0);
        assert_eq!(log.figures(&figures[0].thread), figures[0]);
        assert_eq!(log.import(one).0, 0, "{one} again");
        assert_eq!(log.import(two).0, 0, "{two} again");
        assert_eq!(log.figures(&figures[0].thread), figures[0]);
        assert_eq!(log.0.len(), 1, "a session is known by its id");
    }
}

#[test]
fn an_event_is_recognised_in_a_copy_under_another_name() {
    if !shared::are_there() {
        return;
    }
    let name = "claude/claude-2.1.199-part2.jsonl";
    let bytes = shared::bytes(name);
    let (here, _) = shared::import("a.jsonl", Format::ClaudeCode, &bytes);
    let (there, _) = shared::import("folder/b.jsonl", Format::ClaudeCode, &bytes);
    assert_eq!(here.len(), there.len());
    let prints = |items: &[Imported]| {
        items
            .iter()
            .map(|item| fingerprint(&item.at, &item.meta, &item.event))
            .collect::<Vec<_>>()
    };
    assert_eq!(prints(&here), prints(&there));
    assert_eq!(there[0].meta.source().unwrap().file, "b.jsonl");
    let mut distinct = prints(&here);
    distinct.sort_unstable();
    distinct.dedup();
    assert!(distinct.len() * 10 > here.len() * 9, "most events differ");
}
