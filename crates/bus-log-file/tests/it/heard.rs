//! Whoever hears of a log's trouble may submit to the log at once. That a group failed is said under no lock of ours, so that one
//! may wait for it too; what is said by whoever mends, flushes or closes may be said under locks that an append needs.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use bus_log::{DurableSink, SinkThread, Ticket};
use bus_log_file::{Durability, FileLogConfig, FileSessionLog};

use crate::disk::{Asked, HookedFs, is_kind};
use crate::reported;
use crate::support::{append, is_file_of, key, load, scratch, text, within};

/// Appends an event that the disk refuses, and has `hear` told of it, once; the disk is well by then.
fn refused(
    (durability, what): (Durability, &'static str),
    hear: impl Fn(&dyn DurableSink) + Send + Sync + 'static,
) -> (tempfile::TempDir, Arc<FileSessionLog>, Arc<dyn DurableSink>) {
    let (dir, disk) = (scratch(), HookedFs::new());
    let config = FileLogConfig::default()
        .with_durability(durability)
        .with_file_system(disk.disk());
    let log = Arc::new(FileSessionLog::open_with(dir.path(), config).unwrap());
    append(&log, &key("a"), &["1"]).unwrap();
    let sink = log.durable_sink(key("a"));
    let (ill, heard) = (Arc::new(AtomicBool::new(true)), AtomicBool::new(false));
    let (is_ill, own) = (Arc::clone(&ill), Arc::clone(&sink));
    reported::hear(dir.path(), what, move || {
        ill.store(false, Ordering::SeqCst);
        if !heard.swap(true, Ordering::SeqCst) {
            hear(&*own);
        }
    });
    disk.set(move |what, path| {
        let is_journal = what == Asked::Write && is_kind(path, "wal");
        match is_journal && is_ill.load(Ordering::SeqCst) {
            true => Err(io::Error::other("on purpose")),
            false => Ok(()),
        }
    });
    (dir, log, sink)
}

#[test]
fn whoever_hears_that_a_group_failed_may_append_and_wait_for_it() {
    for durability in [Durability::Sync, Durability::Os] {
        let (told, heard) = mpsc::channel();
        let failed = (durability, "a group of appends failed");
        let (_dir, log, sink) = refused(failed, move |sink| {
            let appended = sink.submit(text("heard")).wait();
            told.send((appended.unwrap(), SinkThread::is_current()))
                .unwrap();
        });
        within(move || sink.submit(text("refused")).wait()).unwrap_err();
        // It is said on a thread that works for the log.
        assert_eq!(heard.try_recv(), Ok((Some(2), true)));
        assert_eq!(load(&log, &key("a")).unwrap(), ["1", "heard"]);
    }
}

#[test]
fn whoever_hears_that_a_flush_failed_may_append() {
    let (told, heard) = mpsc::channel::<Ticket>();
    let window = Durability::Interval(Duration::from_millis(20));
    let failed = (window, "is not durable yet");
    let (_dir, log, sink) = refused(failed, move |sink| {
        assert!(SinkThread::is_current());
        told.send(sink.submit(text("heard"))).unwrap();
    });
    sink.submit(text("refused at first")).wait().unwrap();
    let ticket = within(move || heard.recv().unwrap());
    assert_eq!(within(move || ticket.wait()).unwrap(), Some(3));
    let all = within({
        let log = Arc::clone(&log);
        move || load(&log, &key("a"))
    });
    assert_eq!(all.unwrap(), ["1", "refused at first", "heard"]);
}

#[test]
fn whoever_hears_what_a_log_gives_up_that_has_failed_may_submit() {
    let (dir, disk) = (scratch(), HookedFs::new());
    let config = FileLogConfig::default()
        .with_durability(Durability::Interval(Duration::from_millis(20)))
        .with_file_system(disk.disk());
    let log = FileSessionLog::open_with(dir.path(), config).unwrap();
    append(&log, &key("a"), &["1"]).unwrap();
    let sink = log.durable_sink(key("a"));
    let (own, (told, heard)) = (Arc::clone(&sink), mpsc::channel::<Ticket>());
    reported::hear(dir.path(), "closed before acknowledged", move || {
        told.send(own.submit(text("heard"))).unwrap();
    });
    disk.set(|what, path| {
        assert!(what != Asked::Write || !is_kind(path, "wal"), "on purpose");
        Ok(())
    });
    sink.submit(text("given up")).wait().unwrap();
    let ticket = within(move || heard.recv().unwrap());
    within(move || ticket.wait()).unwrap_err();
    within(move || sink.submit(text("later")).wait()).unwrap_err();
}

#[test]
fn whoever_hears_what_the_log_can_not_mend_may_submit_though_its_queue_is_full() {
    let (dir, disk) = (scratch(), HookedFs::new());
    let config = FileLogConfig::default()
        .with_queue_bytes(1)
        .with_file_system(disk.disk());
    let log = FileSessionLog::open_with(dir.path(), config).unwrap();
    append(&log, &key("a"), &["1"]).unwrap();
    let sink = log.durable_sink(key("b"));
    let (told, heard) = mpsc::channel::<[Ticket; 2]>();
    let ill = Arc::new(AtomicBool::new(true));
    let is_ill = Arc::clone(&ill);
    reported::hear(
        dir.path(),
        "a session file can't be made whole",
        move || {
            if ill.swap(false, Ordering::SeqCst) {
                // Nobody can take the first of them out of the queue meanwhile, and there is no room for the other.
                told.send([(); 2].map(|()| sink.submit(text("heard"))))
                    .unwrap();
            }
        },
    );
    disk.set(move |what, path| {
        let is_session = what == Asked::Write && is_file_of(path, "a", "jsonl");
        match is_session && is_ill.load(Ordering::SeqCst) {
            true => Err(io::Error::other("on purpose")),
            false => Ok(()),
        }
    });
    append(&log, &key("a"), &["2"]).unwrap_err();
    let tickets = within(move || heard.recv().unwrap());
    for (ticket, ordinal) in tickets.into_iter().zip(1..) {
        assert_eq!(within(move || ticket.wait()).unwrap(), Some(ordinal));
    }
}
