//! Archiving rewrites the session file.

use std::fs;

use bus_log::SessionLog;
use bus_log_file::FileSessionLog;

use crate::support::{append, block_on, key, load, scratch, session_file};

#[test]
fn archiving_gives_the_space_back_and_keeps_the_rest() {
    let dir = scratch();
    let log = FileSessionLog::open(dir.path()).unwrap();
    let long = "x".repeat(100_000);
    append(&log, &key("a"), &[&long, &long, "3"]).unwrap();
    append(&log, &key("a"), &["4"]).unwrap();
    assert_eq!(block_on(log.archive_before(&key("a"), 2)).unwrap(), 2);
    assert!(fs::metadata(session_file(dir.path())).unwrap().len() < 2000);
    assert_eq!(load(&log, &key("a")).unwrap(), ["3", "4"]);
    assert_eq!(block_on(log.archive_before(&key("a"), 1)).unwrap(), 0);
    assert_eq!(append(&log, &key("a"), &["5"]).unwrap(), 5);
    drop(log);
    let log = FileSessionLog::open(dir.path()).unwrap();
    assert_eq!(load(&log, &key("a")).unwrap(), ["3", "4", "5"]);
    assert!(log.recovery().is_clean());
}

#[test]
fn a_thread_archived_to_its_end_goes_on_after_it() {
    let dir = scratch();
    let log = FileSessionLog::open(dir.path()).unwrap();
    append(&log, &key("a"), &["1", "2"]).unwrap();
    assert_eq!(
        block_on(log.archive_before(&key("a"), u64::MAX)).unwrap(),
        2
    );
    drop(log);
    let log = FileSessionLog::open(dir.path()).unwrap();
    let bounds = block_on(log.bounds(&key("a"))).unwrap();
    assert_eq!((bounds.first, bounds.last, bounds.watermark), (3, 2, 2));
    assert_eq!(append(&log, &key("a"), &["3"]).unwrap(), 3);
    assert_eq!(load(&log, &key("a")).unwrap(), ["3"]);
}

#[test]
fn a_reader_is_not_disturbed_by_an_archive() {
    let dir = scratch();
    let log = FileSessionLog::open(dir.path()).unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for n in 1..=150_u64 {
                append(&log, &key("a"), &[&n.to_string(), "second"]).unwrap();
                block_on(log.archive_before(&key("a"), n)).unwrap();
            }
        });
        let reader = FileSessionLog::open(dir.path()).unwrap();
        let mut last = 0;
        while last < 300 {
            let page = block_on(reader.read(&key("a"), 0, 1000)).unwrap();
            let ordinals: Vec<u64> = page.events.iter().map(|event| event.ordinal).collect();
            assert!(ordinals.windows(2).all(|pair| pair[0] + 1 == pair[1]));
            let newest = ordinals.last().copied().unwrap_or(last);
            assert!(
                newest >= last && newest % 2 == 0,
                "half a batch, or a step back"
            );
            last = newest;
        }
    });
}
