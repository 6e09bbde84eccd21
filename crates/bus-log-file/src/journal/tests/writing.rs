//! What a journal makes of its files.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tempfile::TempDir;

use super::faulty::Faulty;
use super::*;
use crate::journal::Journal;
use crate::journal::scan::segments;
use crate::journal::segment::FIRST_FILLER;
use crate::layout::Layout;
use crate::stats::JournalCounters;

/// A journal, and all that is needed to look at it.
struct Bench {
    journal: Journal,
    faulty: Faulty,
    counters: Arc<JournalCounters>,
    dir: PathBuf,
    _root: TempDir,
}

impl Bench {
    fn new(segment_bytes: u64) -> Self {
        let root = tempfile::tempdir().unwrap();
        let faulty = Faulty::default();
        let layout = Layout::new(root.path(), faulty.disk());
        let counters = Arc::new(JournalCounters::default());
        let journal = Journal::create(&layout, segment_bytes, Arc::clone(&counters)).unwrap();
        Self {
            dir: layout.journal(&journal.owner().journal),
            journal,
            faulty,
            counters,
            _root: root,
        }
    }

    fn write(&mut self, text: &[u8]) -> crate::fs::Result<u64> {
        self.journal
            .write(|payload| payload.extend_from_slice(text))
    }

    fn append(&mut self, text: &[u8]) {
        let add = |payload: &mut Vec<u8>| payload.extend_from_slice(text);
        self.journal.append(add).unwrap();
    }

    /// What a recovery would find in the files as they are now.
    fn found(&self) -> Vec<Vec<u8>> {
        let name = self.journal.owner().journal.clone();
        let id = crate::layout::unhex(&name).unwrap();
        payloads(&Scan::of(&Disk::default(), &self.dir, id).unwrap())
    }

    fn numbers(&self) -> Vec<u64> {
        let found = segments(&Disk::default(), &self.dir).unwrap();
        found.into_iter().map(|(number, _)| number).collect()
    }

    fn count(&self, counter: impl Fn(&JournalCounters) -> &AtomicU64) -> u64 {
        counter(&self.counters).load(Ordering::Relaxed)
    }
}

#[test]
fn frames_written_under_one_sync_are_all_there() {
    let mut bench = Bench::new(1 << 20);
    for text in [b"a", b"b", b"c"] {
        assert_eq!(bench.write(text).unwrap(), 41);
    }
    bench.journal.sync().unwrap();
    bench.append(b"d");
    assert_eq!(bench.found(), [b"a", b"b", b"c", b"d"]);
    assert_eq!(bench.journal.bytes(), 4 * 41);
}

#[test]
fn after_a_failed_sync_nothing_since_the_last_good_one_counts() {
    let mut bench = Bench::new(1 << 20);
    bench.append(b"good");
    bench.write(b"void").unwrap();
    bench.write(b"void too").unwrap();
    bench.faulty.state().no_sync = true;
    bench.journal.sync().unwrap_err();
    bench.faulty.state().no_sync = false;
    bench.journal.sync().unwrap();
    bench.append(b"after");
    assert_eq!(bench.found(), [b"good".to_vec(), b"after".to_vec()]);
    assert_eq!(payloads(&bench.journal.scan().unwrap()).len(), 2);
}

#[test]
fn a_failed_write_takes_nothing_with_it() {
    let mut bench = Bench::new(1 << 20);
    bench.append(b"good");
    bench.write(b"good too").unwrap();
    bench.faulty.state().no_write_from = Some(1);
    bench.write(b"refused").unwrap_err();
    bench.write(b"refused again").unwrap_err();
    bench.faulty.state().no_write_from = None;
    bench.journal.sync().unwrap();
    bench.append(b"after");
    let expected = [b"good".to_vec(), b"good too".to_vec(), b"after".to_vec()];
    assert_eq!(bench.found(), expected);
    assert_eq!(payloads(&bench.journal.scan().unwrap()), expected);
}

#[test]
fn a_segment_that_the_journal_s_thread_removed_is_gone_for_good_when_it_is_cleared() {
    let mut bench = Bench::new(1 << 20);
    bench.append(b"secret");
    // It ends after an error, so that its file is not used again.
    bench.faulty.state().no_write_from = Some(1);
    bench.write(b"refused").unwrap_err();
    bench.faulty.state().no_write_from = None;
    bench.journal.sync().unwrap();
    bench.journal.retire(1);
    let gone = bus_testkit::eventually(std::time::Duration::from_secs(60), || {
        bench.numbers().is_empty()
    });
    assert!(gone, "{:?}", bench.numbers());
    bench.journal.clear().unwrap();
    assert!(bench.faulty.names_are_settled());
}

#[test]
fn what_is_refused_leaves_no_file() {
    let mut bench = Bench::new(1 << 20);
    bench.append(b"good");
    for refuses in [true, false] {
        for _ in 0..20 {
            let mut state = bench.faulty.state();
            (state.no_write_from, state.no_sync) = (refuses.then_some(1), !refuses);
            drop(state);
            bench.journal.append(|payload| payload.push(0)).unwrap_err();
        }
    }
    assert_eq!(bench.numbers(), [1]);
    let mut state = bench.faulty.state();
    (state.no_write_from, state.no_sync) = (None, false);
    drop(state);
    bench.append(b"after");
    assert_eq!(bench.numbers().len(), 2);
    assert_eq!(bench.found(), [b"good".to_vec(), b"after".to_vec()]);
}

#[test]
fn what_became_durable_when_a_segment_ended_still_goes_with_the_sync_that_fails() {
    let mut bench = Bench::new(1 << 20);
    bench.append(b"good");
    bench.write(b"void").unwrap();
    bench.journal.roll().unwrap();
    bench.write(b"void too").unwrap();
    bench.faulty.state().no_sync = true;
    bench.journal.sync().unwrap_err();
    bench.faulty.state().no_sync = false;
    bench.append(b"after");
    assert_eq!(bench.found(), [b"good".to_vec(), b"after".to_vec()]);
}

#[test]
fn a_sync_that_failed_while_a_segment_ended_is_told_by_the_next_sync() {
    let mut bench = Bench::new(1 << 20);
    bench.append(b"good");
    bench.write(b"void").unwrap();
    bench.faulty.state().no_sync = true;
    bench.journal.roll().unwrap_err();
    bench.faulty.state().no_sync = false;
    // It would follow what is lost, of which nobody was told yet.
    bench.write(b"void too").unwrap_err();
    bench.journal.sync().unwrap_err();
    bench.append(b"after");
    assert_eq!(bench.found(), [b"good".to_vec(), b"after".to_vec()]);
}

#[test]
fn a_segment_that_was_removed_moved_or_cut_fails_the_sync() {
    let meddle: [fn(&Path); 3] = [
        |path| std::fs::remove_file(path).unwrap(),
        |path| std::fs::rename(path, path.with_extension("moved")).unwrap(),
        |path| {
            let file = std::fs::File::options().write(true).open(path).unwrap();
            file.set_len(60).unwrap();
        },
    ];
    for meddle in meddle {
        let mut bench = Bench::new(1 << 20);
        bench.append(b"one");
        bench.write(b"two").unwrap();
        meddle(&bench.dir.join(segment_name(1)));
        bench.journal.sync().unwrap_err();
        bench.append(b"three");
    }
}

#[test]
fn whoever_writes_little_has_little_made_ready() {
    let mut bench = Bench::new(64 << 20);
    for _ in 0..10 {
        bench.append(&[b'x'; 300]);
    }
    assert_eq!(bench.numbers(), [1]);
    assert!(bench.count(|count| &count.filler_bytes) < FIRST_FILLER);
    let mut appended = 10 * 340;
    for _ in 0..2000 {
        bench.append(&[b'x'; 300]);
        appended += 340;
        bench.journal.wait_made();
        assert!(bench.count(|count| &count.filler_bytes) <= 4 * appended + FIRST_FILLER);
    }
    // Only the first was not made ready.
    assert!(bench.count(|count| &count.segments) > 3);
    assert_eq!(bench.count(|count| &count.unprepared), 1);
    assert_eq!(bench.found().len(), 2010);
}

#[test]
fn no_frame_lengthens_a_file_while_the_next_segment_is_ready() {
    let mut bench = Bench::new(1 << 20);
    bench.append(b"begins");
    for _ in 0..500 {
        bench.journal.wait_made();
        let newest = bench.dir.join(segment_name(bench.numbers().pop().unwrap()));
        let before = newest.metadata().unwrap().len();
        bench.append(&[b'x'; 1000]);
        assert_eq!(newest.metadata().unwrap().len(), before);
    }
}

#[test]
fn retired_segments_are_used_again_and_filled_no_more() {
    let mut bench = Bench::new(8 << 10);
    let mut filler = 0;
    for round in 0..20_u8 {
        for _ in 0..8 {
            bench.append(&[round; 1000]);
            bench.journal.wait_made();
        }
        let rolled = bench.journal.roll().unwrap();
        assert_eq!(bench.journal.bytes(), 0);
        bench.append(&[round; 10]);
        bench.journal.retire(rolled);
        bench.journal.wait_made();
        assert!(bench.found() == [[round; 10]], "round {round}");
        if round == 5 {
            filler = bench.count(|count| &count.filler_bytes);
        }
    }
    assert_eq!(bench.count(|count| &count.filler_bytes), filler);
    assert!(bench.count(|count| &count.recycled) >= 14);
    bench.journal.wait_made();
    assert!(bench.numbers().len() <= 4, "{:?}", bench.numbers());
}

#[test]
fn a_cleared_journal_has_no_file_with_a_byte_of_what_it_held() {
    let mut bench = Bench::new(8 << 10);
    for _ in 0..40 {
        bench.append(&[b's'; 1000]);
        bench.journal.wait_made();
    }
    let rolled = bench.journal.roll().unwrap();
    bench.append(b"x");
    bench.journal.retire(rolled);
    bench.journal.clear().unwrap();
    assert_eq!(bench.numbers(), [0; 0]);
    assert!(bench.journal.is_empty());
    bench.append(b"goes on");
    assert_eq!(bench.found(), [b"goes on"]);
    bench.journal.clear().unwrap();
    let dir = bench.dir.clone();
    bench.journal.close().unwrap();
    assert!(!dir.exists());
}

#[test]
fn a_disk_too_full_to_make_a_segment_ready_fails_no_append() {
    let mut bench = Bench::new(1 << 20);
    bench.append(b"begins");
    bench.faulty.state().no_write_from = Some(2);
    for _ in 0..200 {
        bench.append(&[b'x'; 1000]);
        bench.journal.wait_made();
    }
    // Nor does what was begun take space.
    assert_eq!(bench.numbers(), [1]);
    assert!(bench.dir.join(segment_name(1)).metadata().unwrap().len() > FIRST_FILLER);
    assert_eq!(bench.found().len(), 201);
}

#[test]
fn a_segment_ended_while_the_next_was_not_ready_is_followed_by_a_new_one() {
    let mut bench = Bench::new(1 << 20);
    let mut expected = Vec::new();
    for n in 0..5_u8 {
        // Whether it is made ready before the roll, or after, or used again: the order stays.
        for _ in 0..2 {
            bench.append(&[n; 40_000]);
            expected.push(vec![n; 40_000]);
        }
        assert!(bench.journal.roll().unwrap() > u64::from(n));
    }
    assert!(bench.found() == expected);
}

#[test]
fn a_segment_that_nothing_could_be_written_to_is_passed_over() {
    let mut bench = Bench::new(1 << 20);
    bench.append(b"one");
    assert_eq!(bench.journal.roll().unwrap(), 1);
    bench.faulty.state().no_sync = true;
    for _ in 0..3 {
        bench.write(b"void").unwrap();
        bench.journal.sync().unwrap_err();
    }
    bench.faulty.state().no_sync = false;
    bench.append(b"two");
    assert_eq!(bench.found(), [b"one", b"two"]);
    let rolled = bench.journal.roll().unwrap();
    bench.append(b"three");
    bench.journal.retire(rolled);
    bench.journal.wait_made();
    assert_eq!(bench.found(), [b"three"]);
}
