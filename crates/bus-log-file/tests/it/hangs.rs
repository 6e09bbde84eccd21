//! A disk that hangs at one session file keeps nobody but those who need that file.

use std::future::Future;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Waker};
use std::thread;
use std::time::{Duration, Instant};

use bus_log::{LogErrorKind, SessionLog};
use bus_log_file::{Durability, FileLogConfig, FileSessionLog};

use crate::disk::{Asked, HookedFs, is_kind};
use crate::gate::{Gate, SyncOutcome};
use crate::losing::Losing;
use crate::support::{
    Signal, append, block_on, is_file_of, key, load, lose_line, numbers, of_kind, read_alone,
    scratch, text, wait_for, within,
};

/// Given when it is dropped, so that no thread is left waiting for it.
struct Given(Arc<Signal>);

impl Drop for Given {
    fn drop(&mut self) {
        self.0.give();
    }
}

fn append_within(log: &Arc<FileSessionLog>, thread: &str) -> bus_log::Result<u64> {
    let (log, key) = (Arc::clone(log), key(thread));
    within(move || append(&log, &key, &["x"]))
}

#[test]
fn idle_sessions_take_no_thread_of_the_log_while_a_sync_hangs() {
    let (dir, disk) = (scratch(), HookedFs::new());
    let [hangs, goes_on] = [(); 2].map(|()| Arc::<Signal>::default());
    let (hang, go_on) = (Arc::clone(&hangs), Arc::clone(&goes_on));
    let [hung, refused] = [false; 2].map(AtomicBool::new);
    disk.set(move |what, path| {
        let first = |of: &AtomicBool| !of.swap(true, Ordering::SeqCst);
        if what == Asked::Sync && is_file_of(path, "a", "jsonl") && first(&hung) {
            hang.give();
            go_on.wait();
        }
        match what == Asked::Write && is_file_of(path, "c", "jsonl") && first(&refused) {
            true => Err(io::Error::other("once")),
            false => Ok(()),
        }
    });
    let config = FileLogConfig::default()
        .with_idle(Duration::from_millis(20))
        .with_file_system(disk.disk());
    let log = Arc::new(FileSessionLog::open_with(dir.path(), config).unwrap());
    let _end = Given(goes_on);
    append(&log, &key("a"), &["1"]).unwrap();
    append(&log, &key("unused"), &["1"]).unwrap();
    hangs.wait();
    append_within(&log, "c").unwrap_err();
    // Nobody writes it, and nobody else waits.
    wait_for("the refused event", || {
        append_within(&log, "d").unwrap();
        read_alone(dir.path(), "c").is_ok_and(|events| events == ["x"])
    });
}

#[test]
fn idle_sessions_are_let_go_once_a_sync_that_hung_is_done() {
    let (dir, disk) = (scratch(), HookedFs::new());
    let [hangs, goes_on] = [(); 2].map(|()| Arc::<Signal>::default());
    let (hang, go_on) = (Arc::clone(&hangs), Arc::clone(&goes_on));
    disk.set(move |what, path| {
        if what == Asked::Sync && is_file_of(path, "a", "jsonl") {
            hang.give();
            go_on.wait();
        }
        Ok(())
    });
    let config = FileLogConfig::default()
        .with_idle(Duration::from_millis(20))
        .with_file_system(disk.disk());
    let log = FileSessionLog::open_with(dir.path(), config).unwrap();
    let end = Given(goes_on);
    append(&log, &key("a"), &["1"]).unwrap();
    append(&log, &key("unused"), &["1"]).unwrap();
    hangs.wait();
    drop(end);
    let other = FileSessionLog::open(dir.path()).unwrap();
    for thread in ["a", "unused"] {
        wait_for("the session", || {
            append(&other, &key(thread), &["2"]).is_ok()
        });
    }
}

#[test]
fn a_session_that_a_disk_refused_is_let_go_too_once_it_is_whole() {
    let (dir, disk) = (scratch(), HookedFs::new());
    let [refuses, refused] = [(); 2].map(|()| Arc::<AtomicUsize>::default());
    let (refuse, count) = (Arc::clone(&refuses), Arc::clone(&refused));
    disk.set(move |what, path| {
        let is_meant = what == Asked::Write && is_file_of(path, "a", "jsonl");
        if !is_meant || refuse.load(Ordering::SeqCst) == 0 {
            return Ok(());
        }
        count.fetch_add(1, Ordering::SeqCst);
        Err(io::Error::other("not now"))
    });
    let config = FileLogConfig::default()
        .with_idle(Duration::from_millis(20))
        .with_file_system(disk.disk());
    let log = FileSessionLog::open_with(dir.path(), config).unwrap();
    append(&log, &key("a"), &["1"]).unwrap();
    refuses.store(1, Ordering::SeqCst);
    append(&log, &key("a"), &["2"]).unwrap_err();
    // Long enough that idle sessions were looked for, and this one was not whole.
    wait_for("more tries", || refused.load(Ordering::SeqCst) >= 4);
    refuses.store(0, Ordering::SeqCst);
    let other = FileSessionLog::open(dir.path()).unwrap();
    wait_for("the session", || append(&other, &key("a"), &["3"]).is_ok());
    assert_eq!(load(&other, &key("a")).unwrap(), numbers(1..=3));
}

#[test]
fn a_reader_that_finds_damage_has_nobody_wait_for_a_sync_that_hangs() {
    let losing = Losing::line(6);
    let goes_on = Arc::<Signal>::default();
    let go_on = Arc::clone(&goes_on);
    losing.disk.set(move |what, path| {
        if what == Asked::Sync && is_file_of(path, "a", "jsonl") {
            go_on.wait();
        }
        Ok(())
    });
    let end = Given(goes_on);
    let own = Arc::clone(&losing.log);
    let read = within(move || load(&own, &key("a")));
    append_within(&losing.log, "b").unwrap();
    assert_eq!(read.unwrap(), numbers(1..=10));
    // What was made whole without a sync is not taken for durable.
    drop(end);
    losing.told.give();
    assert_eq!(append(&losing.log, &key("a"), &["11"]).unwrap(), 11);
    assert_eq!(load(&losing.log, &key("a")).unwrap(), numbers(1..=11));
}

#[test]
fn a_wait_for_a_change_does_not_outlast_its_deadline_by_a_disk_that_hangs() {
    let losing = Losing::line(11);
    let goes_on = Arc::<Signal>::default();
    let go_on = Arc::clone(&goes_on);
    losing.disk.set(move |what, path| {
        if what == Asked::Write && is_file_of(path, "a", "jsonl") {
            go_on.wait();
        }
        Ok(())
    });
    let _end = Given(goes_on);
    let start = Instant::now();
    let deadline = start + Duration::from_millis(50);
    let error = block_on(losing.log.changed(&key("a"), 0, deadline)).unwrap_err();
    assert_eq!(error.kind(), LogErrorKind::Unavailable, "{error}");
    assert!(start.elapsed() < Duration::from_secs(4));
}

#[test]
fn a_wait_for_a_change_ends_though_what_was_acknowledged_does_not_become_durable() {
    for durability in [
        Durability::Os,
        Durability::Interval(Duration::from_millis(5)),
    ] {
        let (dir, gate) = (scratch(), Gate::new("wal"));
        let config = FileLogConfig::default()
            .with_durability(durability)
            .with_file_system(gate.disk());
        let log = Arc::new(FileSessionLog::open_with(dir.path(), config).unwrap());
        append(&log, &key("a"), &["1"]).unwrap();
        assert_eq!(load(&log, &key("a")).unwrap(), ["1"]);
        gate.set(SyncOutcome::Waits);
        append(&log, &key("a"), &["2"]).unwrap();
        wait_for("the sync", || gate.waiting() > 0);
        let own = Arc::clone(&log);
        let changed = move || {
            let deadline = Instant::now() + Duration::from_millis(50);
            block_on(own.changed(&key("a"), 1, deadline))
        };
        let error = within(changed).unwrap_err();
        assert_eq!(error.kind(), LogErrorKind::Unavailable, "{error}");
        gate.set(SyncOutcome::Passes);
        let later = Instant::now() + Duration::from_secs(60);
        assert_eq!(block_on(log.changed(&key("a"), 1, later)).unwrap(), 2);
    }
}

#[test]
fn what_readers_gave_up_while_a_disk_hung_is_not_done() {
    let (dir, disk) = (scratch(), HookedFs::new());
    let config = FileLogConfig::default().with_file_system(disk.disk());
    let log = FileSessionLog::open_with(dir.path(), config).unwrap();
    for text in numbers(1..=10) {
        append(&log, &key("a"), &[&text]).unwrap();
    }
    for thread in ["b", "c"] {
        append(&log, &key(thread), &["1"]).unwrap();
    }
    let of_a = of_kind(dir.path(), "jsonl");
    let of_a = of_a.iter().find(|path| is_file_of(path, "a", "jsonl"));
    lose_line(of_a.unwrap(), 6);
    let [hangs, goes_on] = [(); 2].map(|()| Arc::<Signal>::default());
    let (hang, go_on) = (Arc::clone(&hangs), Arc::clone(&goes_on));
    let reads = Arc::<AtomicUsize>::default();
    let own = Arc::clone(&reads);
    disk.set(move |what, path| {
        let of_journal = is_kind(path, "wal");
        if what == Asked::Sync && of_journal {
            hang.give();
            go_on.wait();
        }
        own.fetch_add(
            usize::from(what == Asked::Read && of_journal),
            Ordering::SeqCst,
        );
        Ok(())
    });
    let end = Given(goes_on);
    thread::scope(|scope| {
        scope.spawn(|| append(&log, &key("b"), &["2"]).unwrap());
        hangs.wait();
        let groups = log.stats().groups;
        let (events, keys, of_a) = ([text("2")], ["b", "c"].map(key), key("a"));
        let mut cx = Context::from_waker(Waker::noop());
        let mut first = pin!(log.append(&keys[0], &events));
        assert!(first.as_mut().poll(&mut cx).is_pending());
        for _ in 0..10 {
            let gives_up = pin!(log.load_since(&of_a, 0)).poll(&mut cx);
            assert!(gives_up.is_pending());
        }
        let mut second = pin!(log.append(&keys[1], &events));
        assert!(second.as_mut().poll(&mut cx).is_pending());
        drop(end);
        assert_eq!(block_on(first).unwrap(), 3);
        assert_eq!(block_on(second).unwrap(), 2);
        // That which hung, and this one.
        assert_eq!(log.stats().groups, groups + 2);
        assert_eq!(reads.load(Ordering::SeqCst), 0);
    });
    assert_eq!(load(&log, &key("a")).unwrap(), numbers(1..=10));
}
