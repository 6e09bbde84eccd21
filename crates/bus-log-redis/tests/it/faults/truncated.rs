//! An append-only file that ends too early, as a crash of the machine leaves it.

use std::fs;
use std::path::{Path, PathBuf};

use bus_log::{Expect, SessionLog};
use bus_testkit::{block_on, samples};
use local_servers::Redis;

use super::server::{own, rounds};
use crate::support::{Log, append, open, texts};

/// The file that appends go to.
fn newest(server: &Redis) -> PathBuf {
    let files = fs::read_dir(server.data().join("appendonlydir")).unwrap();
    let files = files.map(|file| file.unwrap().path());
    let mut parts = files.filter(|file| file.to_string_lossy().ends_with(".incr.aof"));
    parts.next().unwrap()
}

fn cut(server: &Redis, file: &Path, whole: &[u8], length: usize) {
    fs::write(file, &whole[..length]).unwrap();
    server.adopt(file).unwrap();
}

#[test]
fn a_file_that_is_cut_anywhere_in_its_last_append_keeps_all_before_and_no_part_of_it() {
    let mut server = own();
    let made = Log::at(&server.url());
    let (log, key) = (open(made.config()).unwrap(), samples::key("s"));
    append(&log, &key, "kept", 3).unwrap();
    let file = newest(&server);
    let before = fs::metadata(&file).unwrap().len();
    // More than one page, and the first of its thread's lists are there already.
    let large: Vec<_> = ["x", "y"]
        .into_iter()
        .flat_map(|name| samples::batch(name, 2))
        .collect();
    block_on(log.append_entries(&key, Expect::Last(3), &large)).unwrap();
    drop(log);
    server.stop().unwrap();
    let whole = fs::read(&file).unwrap();
    let before = usize::try_from(before).unwrap();
    assert!(whole.len() > before + 100);
    let kept: Vec<String> = (0..3).map(|part| format!("kept {part}")).collect();
    // Each needs a server that starts: all positions where many rounds are asked for.
    let all = whole.len() - before;
    let step = all.div_ceil(usize::try_from(rounds(24)).unwrap()).max(1);
    let mut positions = 0;
    for length in (before..whole.len()).step_by(step) {
        cut(&server, &file, &whole, length);
        server.start().unwrap();
        let log = open(made.config()).unwrap();
        assert_eq!(
            texts(&log, &key),
            kept,
            "cut at {length} of {}",
            whole.len()
        );
        // The ordinals go on where they were.
        assert_eq!(append(&log, &key, "after", 2).unwrap(), 5);
        drop(log);
        server.stop().unwrap();
        positions += 1;
    }
    cut(&server, &file, &whole, whole.len());
    server.start().unwrap();
    assert_eq!(texts(&open(made.config()).unwrap(), &key).len(), 7);
    println!(
        "cut at {positions} of {all} positions of the last append: all before it is there, no part of it"
    );
}
