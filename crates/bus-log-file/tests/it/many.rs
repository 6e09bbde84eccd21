//! Very many sessions in one folder.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bus_log::{Event, SessionLog};
use bus_log_file::{Durability, FileLogConfig, FileSessionLog};
use futures_util::future::join_all;
use tempfile::TempDir;

use crate::disk::{Asked, HookedFs};
use crate::support::{append, block_on, key, load, scratch, text};

const SESSIONS: usize = 50_000;

const OPEN_THREADS: usize = 64;

/// What opening a log asks of the disk.
#[derive(Default)]
struct Asks {
    opens: AtomicUsize,
    reads: AtomicUsize,
    lists: AtomicUsize,
}

impl Asks {
    fn counts(&self) -> [usize; 3] {
        [&self.opens, &self.reads, &self.lists].map(|count| count.load(Ordering::SeqCst))
    }
}

fn config() -> FileLogConfig {
    FileLogConfig::default()
        .with_durability(Durability::Os)
        .with_open_threads(OPEN_THREADS)
}

/// Gives every session from one number to another an event.
fn fill(dir: &std::path::Path, sessions: std::ops::Range<usize>) {
    let log = FileSessionLog::open_with(dir, config()).unwrap();
    let all: Vec<usize> = sessions.collect();
    for some in all.chunks(256) {
        let events: Vec<Event> = vec![text("one")];
        let keys: Vec<_> = some.iter().map(|n| key(&n.to_string())).collect();
        let appends = keys.iter().map(|key| log.append(key, &events));
        for told in block_on(join_all(appends)) {
            assert_eq!(told.unwrap(), 1);
        }
        assert_few_files_are_open();
    }
}

/// Files that this process has open, whoever opened them.
#[cfg(target_os = "linux")]
fn assert_few_files_are_open() {
    let open = fs::read_dir("/proc/self/fd").unwrap().count();
    assert!(open < 2 * OPEN_THREADS + 50, "{open} files are open");
}

#[cfg(not(target_os = "linux"))]
fn assert_few_files_are_open() {}

/// A folder with room for a file of each session: in memory where that is large enough.
fn roomy() -> TempDir {
    let memory = rustix::fs::statvfs("/dev/shm");
    if memory.is_ok_and(|memory| memory.f_bavail * memory.f_frsize > 1 << 30) {
        scratch()
    } else {
        tempfile::tempdir().unwrap()
    }
}

/// What it takes to open the log in `dir`.
fn opening(dir: &std::path::Path) -> [usize; 3] {
    let (disk, asks) = (HookedFs::new(), Arc::new(Asks::default()));
    let counts = Arc::clone(&asks);
    disk.set(move |asked, _| {
        let count = match asked {
            Asked::Open => &counts.opens,
            Asked::Read => &counts.reads,
            Asked::List => &counts.lists,
            _ => return Ok(()),
        };
        count.fetch_add(1, Ordering::SeqCst);
        Ok(())
    });
    let log = FileSessionLog::open_with(dir, config().with_file_system(disk.disk())).unwrap();
    let counts = asks.counts();
    drop(log);
    counts
}

#[test]
fn opening_a_folder_of_50_000_sessions_asks_no_more_of_the_disk_than_opening_one_of_50() {
    let name = concat!(
        module_path!(),
        "::opening_a_folder_of_50_000_sessions_asks_no_more_of_the_disk_than_opening_one_of_50"
    );
    bus_testkit::alone(name, || {
        let dir = roomy();
        fill(dir.path(), 0..50);
        let few = opening(dir.path());
        fill(dir.path(), 50..SESSIONS);
        let many = opening(dir.path());
        assert_eq!(few, many, "opens, reads and lists");
        let log = FileSessionLog::open_with(dir.path(), config()).unwrap();
        for n in (0..SESSIONS).step_by(SESSIONS / 500) {
            assert_eq!(append(&log, &key(&n.to_string()), &["two"]).unwrap(), 2);
            assert_few_files_are_open();
        }
        assert_eq!(load(&log, &key("0")).unwrap(), ["one", "two"]);
        assert_eq!(load(&log, &key("49999")).unwrap(), ["one"]);
    });
}
