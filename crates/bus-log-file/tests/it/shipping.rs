//! The file log shipped to another log, by a shipper that is killed.

use std::env;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bus_log::{
    Event, InMemorySessionLog, Result, SessionLog, ShippingConfig, ShippingLog, compare,
};
use bus_log_file::{FileLogReader, FileSessionLog};
use bus_testkit::{Harness, Profile};
use tempfile::TempDir;

use crate::support::{block_on, key, scratch, text, texts};

/// As is right for tests: what failed is tried again soon.
fn quick() -> ShippingConfig {
    ShippingConfig::default()
        .with_longest_pause(Duration::from_millis(20))
        .with_look_every(Duration::from_millis(50))
}

/// A file log that is shipped to one in memory, by as many shippers as there are handles.
pub(crate) struct Shipped {
    dir: TempDir,
    remote: Arc<InMemorySessionLog>,
}

impl Shipped {
    pub(crate) fn new() -> Self {
        Self {
            dir: tempfile::tempdir().unwrap(),
            remote: Arc::default(),
        }
    }

    fn ship(&self, local: FileSessionLog) -> Result<Arc<dyn SessionLog>> {
        let log = ShippingLog::with_config(Arc::new(local), self.remote.clone(), quick())?;
        Ok(Arc::new(log))
    }
}

impl Harness for Shipped {
    fn profile(&self) -> Profile {
        Profile::new(
            "a file log that is shipped",
            "is past fdatasync in the local journal",
        )
        .with_model_cases(32)
    }

    fn open(&self) -> Result<Arc<dyn SessionLog>> {
        self.ship(FileSessionLog::open(self.dir.path().join("log"))?)
    }

    fn open_second(&self) -> Option<Result<Arc<dyn SessionLog>>> {
        Some(self.open())
    }

    /// Its journal's folder can't be made: a file has its place.
    fn open_failing(&self) -> Option<Arc<dyn SessionLog>> {
        let dir = self.dir.path().join("failing");
        let log = FileSessionLog::open(&dir).unwrap();
        std::fs::remove_dir(dir.join("journal")).unwrap();
        std::fs::write(dir.join("journal"), "").unwrap();
        self.ship(log).ok()
    }

    fn directory(&self) -> Option<PathBuf> {
        Some(self.dir.path().join("log"))
    }
}

/// Names the folder of both logs, in the child.
const CHILD: &str = "BUS_LOG_FILE_TEST_SHIPPER";
/// Set where the child gives shipped events back.
const GIVES_BACK: &str = "BUS_LOG_FILE_TEST_GIVES_BACK";

const THREADS: [&str; 3] = ["a", "b", "c"];

/// What the child does: appends and ships for good, and says what it was told is durable.
#[test]
fn child_that_ships_until_it_is_killed() {
    let Some(dir) = env::var_os(CHILD) else {
        return;
    };
    let dir = Path::new(&dir);
    let keep = env::var_os(GIVES_BACK).map(|_| 5);
    let log = open(dir, quick().with_keep(keep));
    std::thread::scope(|scope| {
        for name in THREADS {
            let log = &log;
            scope.spawn(move || {
                let mut last = block_on(log.bounds(&key(name))).unwrap().last;
                loop {
                    let count = 1 + last % 7;
                    let event = |n| format!("{n} {}", "x".repeat(n as usize % 900));
                    let batch: Vec<Event> = (1..=count).map(|n| text(&event(last + n))).collect();
                    last = block_on(log.append(&key(name), &batch)).unwrap();
                    let mut out = std::io::stdout().lock();
                    writeln!(out, "acknowledged {name} {last}").unwrap();
                    out.flush().unwrap();
                }
            });
        }
    });
}

fn open(dir: &Path, config: ShippingConfig) -> ShippingLog {
    let local = Arc::new(FileSessionLog::open(dir.join("local")).unwrap());
    let remote = Arc::new(FileSessionLog::open(dir.join("remote")).unwrap());
    ShippingLog::with_config(local, remote, config).unwrap()
}

fn spawn(dir: &Path, gives_back: bool) -> Child {
    let mut command = Command::new(env::current_exe().unwrap());
    command
        .args([
            "shipping::child_that_ships_until_it_is_killed",
            "--exact",
            "--nocapture",
        ])
        .env(CHILD, dir)
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    if gives_back {
        command.env(GIVES_BACK, "1");
    }
    command.spawn().unwrap()
}

/// The remote log has a beginning of what the local one has: each event once, in its place, whole. Returns
/// how many are in the remote log.
fn checked(local: &dyn SessionLog, remote: &dyn SessionLog, acknowledged: [u64; 3]) -> [u64; 3] {
    let mut shipped = [0; 3];
    for ((name, acknowledged), shipped) in THREADS.iter().zip(acknowledged).zip(&mut shipped) {
        let key = key(name);
        let here = block_on(local.bounds(&key)).unwrap();
        let there = block_on(remote.bounds(&key)).unwrap();
        assert!(
            here.last >= acknowledged,
            "{name}: {here:?}, {acknowledged} was told"
        );
        assert!(
            there.last <= here.last,
            "{name}: {there:?} shipped of {here:?}"
        );
        assert_eq!(there.watermark, 0, "{name}");
        // What is given back is shipped.
        assert!(here.watermark <= there.last, "{name}: {here:?} {there:?}");
        let all = texts(&block_on(remote.load_since(&key, 0)).unwrap());
        assert_eq!(all.len() as u64, there.last, "{name}");
        for (n, text) in (1..).zip(&all) {
            assert_eq!(text.split(' ').next().unwrap().parse(), Ok(n), "{name}");
        }
        let compared = block_on(compare(local, remote, &key)).unwrap();
        assert_eq!(compared.differs_at, None, "{name}: {compared:?}");
        *shipped = there.last;
    }
    shipped
}

#[test]
fn a_killed_shipper_leaves_a_beginning_and_the_next_one_ships_the_rest() {
    let dir = scratch();
    let mut acknowledged = [0_u64; 3];
    let mut behind = 0;
    for round in 0..40_u64 {
        let mut child = spawn(dir.path(), round % 2 == 1);
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut take = |acknowledged: &mut [u64; 3]| {
            let line = lines.next()?.ok()?;
            // The test runner's own words stand in the way once.
            let Some((_, told)) = line.split_once("acknowledged ") else {
                return Some(false);
            };
            // The last can be cut off.
            let (name, last) = told.split_once(' ')?;
            let place = THREADS.iter().position(|known| *known == name)?;
            acknowledged[place] = last.parse().ok()?;
            Some(true)
        };
        // Another moment each time: from the first append to deep in the stream.
        let mut seen = 0;
        while seen < 1 + round * round % 97 {
            seen += u64::from(take(&mut acknowledged) == Some(true));
        }
        child.kill().unwrap();
        child.wait().unwrap();
        while take(&mut acknowledged).is_some() {}

        let local = FileSessionLog::open(dir.path().join("local")).unwrap();
        let remote = FileSessionLog::open(dir.path().join("remote")).unwrap();
        let shipped = checked(&local, &remote, acknowledged);
        behind += u64::from(
            shipped
                .iter()
                .zip(acknowledged)
                .any(|(there, here)| *there < here),
        );
    }
    assert!(behind > 0, "no kill came before all was shipped");
    let log = open(dir.path(), quick());
    let flushed = block_on(log.flush(Instant::now() + Duration::from_secs(60)));
    assert!(flushed.is_ok(), "{flushed:?}: {:?}", log.lag());
    drop(log);
    let local = FileLogReader::open(dir.path().join("local")).unwrap();
    let remote = FileLogReader::open(dir.path().join("remote")).unwrap();
    let shipped = checked(&local, &remote, acknowledged);
    for (name, shipped) in THREADS.iter().zip(shipped) {
        assert_eq!(shipped, block_on(local.bounds(&key(name))).unwrap().last);
    }
}
