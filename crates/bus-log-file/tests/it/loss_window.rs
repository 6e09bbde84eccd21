//! How long what was acknowledged before its sync waits for that sync.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bus_log_file::{Durability, FileLogConfig, FileSessionLog};
use tempfile::TempDir;

use crate::disk::{Asked, HookedFs, is_kind};
use crate::support::{append, key, load, scratch, wait_for};

const WINDOW: Duration = Duration::from_secs(2);

/// What `Durability::Os` promises.
const OS_WINDOW: Duration = Duration::from_millis(50);

/// What a busy machine may add to it. The events must be synced sooner than in an hour, not to the millisecond.
const SLACK: Duration = Duration::from_secs(5);

/// For each event that a journal had when it was synced, when the first such sync began.
type Syncs = Arc<Mutex<HashMap<usize, Instant>>>;

/// A log whose journal's syncs are noted.
struct Noted {
    log: FileSessionLog,
    syncs: Syncs,
    _dir: TempDir,
}

impl Noted {
    fn open(durability: Durability) -> Self {
        let (dir, disk, syncs) = (scratch(), HookedFs::new(), Syncs::default());
        let noted = Arc::clone(&syncs);
        disk.set(move |asked, path| {
            if asked == Asked::Sync && is_kind(path, "wal") {
                note(path, &noted)?;
            }
            Ok(())
        });
        let config = FileLogConfig::default()
            .with_durability(durability)
            .with_segment_bytes(1 << 20)
            .with_file_system(disk.disk());
        let log = FileSessionLog::open_with(dir.path(), config).unwrap();
        // From here on it has the session, and nothing is owed.
        append(&log, &key("a"), &["first"]).unwrap();
        assert_eq!(load(&log, &key("a")).unwrap(), ["first"]);
        Self {
            log,
            syncs,
            _dir: dir,
        }
    }

    /// When it was acknowledged.
    fn append(&self, event: usize) -> Instant {
        append(&self.log, &key("a"), &[&format!("<{event}>")]).unwrap();
        Instant::now()
    }

    /// How often it was synced with events that no sync had before.
    fn rounds(&self) -> usize {
        let syncs = self.syncs.lock().unwrap();
        syncs.values().collect::<HashSet<_>>().len()
    }

    fn synced(&self, event: usize) -> Option<Instant> {
        self.syncs.lock().unwrap().get(&event).copied()
    }
}

/// A sync begins: what the segment holds now is durable when it ends.
fn note(segment: &Path, syncs: &Syncs) -> std::io::Result<()> {
    let (bytes, now) = (fs::read(segment)?, Instant::now());
    let mut syncs = syncs.lock().unwrap();
    for text in bytes.split(|byte| *byte == b'<').skip(1) {
        let number = text.split(|byte| *byte == b'>').next().unwrap_or_default();
        let event = std::str::from_utf8(number)
            .ok()
            .and_then(|n| n.parse().ok());
        if let Some(event) = event {
            syncs.entry(event).or_insert(now);
        }
    }
    Ok(())
}

#[test]
fn nothing_acknowledged_waits_longer_for_its_sync_than_the_window() {
    let modes = [
        (Durability::Interval(WINDOW), WINDOW),
        (Durability::Os, OS_WINDOW),
    ];
    for (durability, window) in modes {
        let noted = Noted::open(durability);
        let mut acknowledged = Vec::new();
        // Somebody goes on emitting while three syncs come, and nobody asks for them.
        for _ in 0..3 {
            let waits = acknowledged.len();
            wait_for("a sync", || {
                let event = acknowledged.len();
                acknowledged.push(noted.append(event));
                noted.synced(waits).is_some()
            });
        }
        let last = acknowledged.len() - 1;
        wait_for("the last sync", || noted.synced(last).is_some());
        let waited = acknowledged.iter().enumerate().map(|(event, at)| {
            let synced = noted.synced(event).expect("those before it are synced too");
            synced.saturating_duration_since(*at)
        });
        let longest = waited.max().unwrap();
        assert!(longest <= window + SLACK, "{durability:?}: {longest:?}");
    }
}

#[test]
fn what_only_the_system_has_is_synced_far_more_often_than_a_window_of_seconds_asks() {
    // Both at once: a machine that has no time for one has none for the other.
    let (seconds, system) = (
        Noted::open(Durability::Interval(WINDOW)),
        Noted::open(Durability::Os),
    );
    let mut events = 0..;
    wait_for("three syncs", || {
        let event = events.next().unwrap();
        seconds.append(event);
        system.append(event);
        seconds.rounds() >= 3
    });
    // Each second, and each 50 ms.
    let (seconds, system) = (seconds.rounds(), system.rounds());
    assert!(system >= 3 * seconds, "{system} and {seconds}");
}
