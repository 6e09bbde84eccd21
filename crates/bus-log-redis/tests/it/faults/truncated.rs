//! An append-only file that ends too early, as a crash of the machine leaves it.

use std::fs;
use std::path::{Path, PathBuf};

use bus_log::{Expect, SessionLog};
use bus_log_redis::RedisSessionLog;
use bus_testkit::faults::{append, rounds, texts};
use bus_testkit::{block_on, samples};
use local_servers::Redis;

use crate::support::{Log, open, own};

/// As far as from each end a large change is cut at every byte.
const EDGE: usize = 100;

/// The file that changes go to.
fn newest(server: &Redis) -> PathBuf {
    let folder = server.data().join("appendonlydir");
    let Ok(files) = fs::read_dir(folder) else {
        // Before 7.0 there is but one.
        return server.data().join("appendonly.aof");
    };
    let files = files.map(|file| file.unwrap().path());
    let mut parts = files.filter(|file| file.to_string_lossy().ends_with(".incr.aof"));
    parts.next().unwrap()
}

fn cut(server: &Redis, file: &Path, whole: &[u8], length: usize) {
    fs::write(file, &whole[..length]).unwrap();
    server.adopt(file).unwrap();
}

/// Where to cut a change of so many bytes. Each needs a server that starts: all where many rounds are asked for and it is
/// small.
fn places(bytes: usize) -> Vec<usize> {
    let rounds = usize::try_from(rounds(8)).unwrap();
    if rounds < 100 {
        return (0..bytes).step_by(bytes.div_ceil(rounds)).collect();
    }
    let is_edge = |at: &usize| bytes < 20 * EDGE || *at < EDGE || bytes - *at <= EDGE;
    let step = bytes.div_ceil(rounds);
    (0..bytes)
        .filter(|at| is_edge(at) || at % step == 0)
        .collect()
}

/// Makes a change after others, and cuts the file in the middle of it, here and there: each time all must be as it was
/// `before` it, and with the whole file as it is after it.
fn cut_anywhere(
    name: &str,
    prepare: impl Fn(&RedisSessionLog),
    change: impl Fn(&RedisSessionLog),
    before: impl Fn(&RedisSessionLog),
    after: impl Fn(&RedisSessionLog),
) {
    let (mut server, key) = (own(), samples::key("s"));
    let made = Log::at(&server.url());
    let log = open(made.config()).unwrap();
    prepare(&log);
    before(&log);
    let file = newest(&server);
    let begin = usize::try_from(fs::metadata(&file).unwrap().len()).unwrap();
    change(&log);
    drop(log);
    server.stop().unwrap();
    let whole = fs::read(&file).unwrap();
    let bytes = whole.len() - begin;
    assert!(bytes > 50, "{name} is in the file: {bytes} bytes");
    let places = places(bytes);
    for at in &places {
        cut(&server, &file, &whole, begin + at);
        server.start().unwrap();
        let log = open(made.config()).unwrap();
        before(&log);
        // The ordinals go on where they were.
        let last = block_on(log.bounds(&key)).unwrap().last;
        assert_eq!(append(&log, &key, "after", 2).unwrap(), last + 2);
        drop(log);
        server.stop().unwrap();
    }
    cut(&server, &file, &whole, whole.len());
    server.start().unwrap();
    after(&open(made.config()).unwrap());
    println!(
        "{name} cut at {} of {bytes} positions: no part of it is there",
        places.len()
    );
}

/// The thread has these texts, and is named if it was ever there.
fn is_there(log: &RedisSessionLog, expected: &[&str], last: u64) {
    let key = samples::key("s");
    assert_eq!(texts(log, &key), expected);
    let bounds = block_on(log.bounds(&key)).unwrap();
    assert_eq!((bounds.last, bounds.erased), (last, false));
    let named = block_on(log.list(key.tenant_id(), None, 9)).unwrap().len();
    assert_eq!(named, usize::from(last > 0));
}

#[test]
fn an_append_of_several_pages_that_is_cut_anywhere_is_absent() {
    let key = samples::key("s");
    // No two have room in one page.
    let large = vec![samples::of_size(40_000); 3];
    cut_anywhere(
        "an append of three pages",
        |log| {
            append(log, &key, "kept", 3).unwrap();
        },
        |log| {
            block_on(log.append_entries(&key, Expect::Last(3), &large)).unwrap();
        },
        |log| is_there(log, &["kept 0", "kept 1", "kept 2"], 3),
        |log| assert_eq!(block_on(log.load_since(&key, 3)).unwrap().len(), 3),
    );
}

#[test]
fn the_first_append_of_a_thread_that_is_cut_anywhere_leaves_no_thread() {
    let key = samples::key("s");
    cut_anywhere(
        "a thread's first append",
        |_| {},
        |log| {
            append(log, &key, "x", 2).unwrap();
        },
        |log| is_there(log, &[], 0),
        |log| is_there(log, &["x 0", "x 1"], 2),
    );
}

#[test]
fn an_archive_that_is_cut_anywhere_hides_nothing_and_frees_nothing() {
    let key = samples::key("s");
    cut_anywhere(
        "an archive",
        |log| {
            append(log, &key, "x", 2).unwrap();
        },
        |log| assert_eq!(block_on(log.archive_before(&key, u64::MAX)).unwrap(), 2),
        |log| is_there(log, &["x 0", "x 1"], 2),
        |log| assert_eq!(block_on(log.bounds(&key)).unwrap().watermark, 2),
    );
}

#[test]
fn an_erasure_that_is_cut_anywhere_erases_nothing() {
    let key = samples::key("s");
    cut_anywhere(
        "an erasure",
        |log| {
            append(log, &key, "x", 2).unwrap();
        },
        |log| block_on(log.erase(&key)).unwrap(),
        |log| is_there(log, &["x 0", "x 1"], 2),
        |log| assert!(block_on(log.bounds(&key)).unwrap().erased),
    );
}
