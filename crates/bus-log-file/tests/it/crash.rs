//! Power cuts after random work: whatever was not synced may be lost in any part.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use bus_log::{Event, InMemorySessionLog, SessionLog, ThreadKey};
use bus_log_file::FileSessionLog;
use proptest::prelude::*;

use crate::support::{append, block_on, image, key, of_kind, scratch, text};

#[derive(Clone, Debug)]
enum Step {
    Append { thread: u8, events: usize },
    Archive { thread: u8, watermark: u64 },
    Erase { thread: u8 },
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0..3_u8, 1..4_usize).prop_map(|(thread, events)| Step::Append { thread, events }),
        1 => (0..3_u8, 0..12_u64).prop_map(|(thread, watermark)| Step::Archive { thread, watermark }),
        1 => (0..3_u8).prop_map(|thread| Step::Erase { thread }),
    ]
}

/// What a power cut does to the part of a file that was not synced, in shares of it.
#[derive(Clone, Debug)]
struct Cut {
    kept: f64,
    zeros: (f64, f64),
    /// The file has its length, but not its blocks.
    long: bool,
}

fn cut() -> impl Strategy<Value = Cut> {
    let share = 0.0..=1.0_f64;
    (share.clone(), share.clone(), share, any::<bool>()).prop_map(|(kept, from, to, long)| Cut {
        kept,
        zeros: (from.min(to), from.max(to)),
        long,
    })
}

fn thread(number: u8) -> ThreadKey {
    key(&format!("thread-{number}"))
}

/// The file of a thread, if it has one.
fn file_of(dir: &Path, number: u8) -> Option<PathBuf> {
    let prefix = format!("thread-{number}-");
    of_kind(dir, "jsonl").into_iter().find(|path| {
        let name = path.file_name().and_then(|name| name.to_str());
        name.is_some_and(|name| name.starts_with(&prefix))
    })
}

fn len_of(dir: &Path, number: u8) -> usize {
    file_of(dir, number).map_or(0, |path| fs::read(path).unwrap().len())
}

fn lose(path: &Path, settled: usize, cut: &Cut) {
    let mut bytes = fs::read(path).unwrap();
    let len = bytes.len();
    let place = |share: f64| settled + ((len - settled) as f64 * share) as usize;
    bytes.truncate(place(cut.kept));
    let (from, to) = (place(cut.zeros.0), place(cut.zeros.1).min(bytes.len()));
    if from < to {
        bytes[from..to].fill(0);
    }
    if cut.long {
        bytes.resize(len, 0);
    }
    if bytes.is_empty() {
        fs::remove_file(path).unwrap();
    } else {
        fs::write(path, bytes).unwrap();
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_power_cut_at_any_time_loses_nothing_that_was_acknowledged(
        steps in prop::collection::vec(step(), 1..25),
        cuts in prop::collection::vec(cut(), 3),
    ) {
        let dir = scratch();
        let log = FileSessionLog::open(dir.path()).unwrap();
        let reference = InMemorySessionLog::new();
        // Bytes of each session file that were synced.
        let mut settled = HashMap::new();
        for (n, step) in steps.iter().enumerate() {
            match step {
                Step::Append { thread: number, events } => {
                    let texts: Vec<String> = (0..*events).map(|m| format!("{n}.{m}")).collect();
                    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
                    let last = append(&log, &thread(*number), &texts).unwrap();
                    let events: Vec<Event> = texts.iter().map(|event| text(event)).collect();
                    prop_assert_eq!(block_on(reference.append(&thread(*number), &events)).unwrap(), last);
                }
                Step::Archive { thread: number, watermark } => {
                    let hidden = block_on(log.archive_before(&thread(*number), *watermark)).unwrap();
                    let expected = block_on(reference.archive_before(&thread(*number), *watermark));
                    prop_assert_eq!(hidden, expected.unwrap());
                    if hidden > 0 {
                        settled.insert(*number, len_of(dir.path(), *number));
                    }
                }
                Step::Erase { thread: number } => {
                    block_on(log.erase(&thread(*number))).unwrap();
                    block_on(reference.erase(&thread(*number))).unwrap();
                    if file_of(dir.path(), *number).is_some() {
                        // It empties the journal, for which all files are synced.
                        settled = (0..3).map(|n| (n, len_of(dir.path(), n))).collect();
                    }
                }
            }
        }
        let crashed = image(dir.path());
        for (number, cut) in (0..).zip(&cuts) {
            if let Some(path) = file_of(crashed.path(), number) {
                lose(&path, settled.get(&number).copied().unwrap_or(0), cut);
            }
        }
        // Once more after the repair: what was repaired stays so.
        for _ in 0..2 {
            let log = FileSessionLog::open(crashed.path()).unwrap();
            for number in 0..3 {
                let bounds = block_on(log.bounds(&thread(number))).unwrap();
                prop_assert_eq!(bounds, block_on(reference.bounds(&thread(number))).unwrap());
                let events = |log: &dyn SessionLog| -> Vec<(u64, Event)> {
                    let all = block_on(log.load_since(&thread(number), 0)).unwrap();
                    all.into_iter().map(|event| (event.ordinal, event.event)).collect()
                };
                prop_assert_eq!(events(&log), events(&reference));
            }
        }
    }
}
