//! Threads, runtimes and drops.

use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use bus_log::{
    DurableSink, InMemorySessionLog, LogSink, LogWriter, LogWriterConfig, SessionAuditSink,
    SessionEvent, SessionLog, SinkThread,
};
use bus_testkit::{FaultyLog, Gate};

use crate::support::{Fault, LONG, ScriptedLog, Seen, block_on, key, record, seen, wait_until};

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap()
}

#[test]
fn made_inside_a_runtime_that_ends_before_it_it_goes_on() {
    let log = Arc::new(InMemorySessionLog::new());
    let short = runtime();
    let (audit, sink) = short.block_on(async {
        let writer = LogWriter::new(log.clone());
        let audit = writer.audit(key("s"));
        audit.record(record(0));
        (audit, writer.sink(key("sink")))
    });
    drop(short);
    audit.record(record(1));
    sink.write(&SessionEvent::Done).unwrap();
    let stats = block_on(audit.close());
    assert_eq!((stats.written, stats.dropped), (2, 0));
}

#[test]
fn flush_and_close_work_inside_a_current_thread_runtime_too() {
    let log = Arc::new(InMemorySessionLog::new());
    let current = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    current.block_on(async {
        let audit = SessionAuditSink::new(log.clone(), key("s"));
        audit.record(record(0));
        audit.flush().await;
        assert_eq!(seen(&log, &key("s")).await, [Seen::Record(0)]);
        assert_eq!(audit.close().await.written, 1);
    });
}

#[test]
fn dropped_without_close_all_is_written_before_the_drop_returns() {
    let log = Arc::new(ScriptedLog::failing([Fault::Unavailable, Fault::Busy]));
    let audit = SessionAuditSink::new(log.clone(), key("s"));
    for n in 0..3000 {
        audit.record(record(n));
    }
    drop(audit);
    let expected: Vec<_> = (0..3000).map(Seen::Record).collect();
    assert_eq!(block_on(seen(&log.inner, &key("s"))), expected);
}

#[test]
fn the_drop_of_the_last_face_joins_the_thread_and_lets_go_of_the_log() {
    for used in [true, false] {
        let log = Arc::new(InMemorySessionLog::new());
        let weak: Weak<InMemorySessionLog> = Arc::downgrade(&log);
        let audit = SessionAuditSink::new(log.clone(), key("s"));
        let sink = LogSink::new(log, key("s"));
        if used {
            audit.record(record(0));
        }
        drop(audit);
        assert!(weak.upgrade().is_some());
        drop(sink);
        assert!(weak.upgrade().is_none());
    }
}

#[test]
fn the_drop_gives_up_a_log_that_stays_down_or_hangs_after_the_close_timeout() {
    for hangs in [false, true] {
        let log = if hangs {
            Arc::new(ScriptedLog::new(|_, _| Fault::Gate))
        } else {
            Arc::new(ScriptedLog::down())
        };
        let weak = Arc::downgrade(&log);
        let config = LogWriterConfig::default().with_close_timeout(Duration::from_millis(50));
        let writer = LogWriter::with_config(log, config);
        let ticket = writer.sink(key("a")).submit(SessionEvent::Done.into());
        writer.audit(key("b")).record(record(0));
        let begun = Instant::now();
        drop(writer);
        assert!(begun.elapsed() < LONG);
        assert!(weak.upgrade().is_none());
        assert!(ticket.wait().is_err());
    }
}

#[test]
fn a_log_that_blocks_its_thread_for_good_holds_up_neither_close_nor_drop() {
    let (tx, rx) = std::sync::mpsc::channel::<()>();
    let log = Arc::new(ScriptedLog::new(move |_, _| {
        let _ = rx.recv();
        Fault::None
    }));
    let weak = Arc::downgrade(&log);
    let config = LogWriterConfig::default().with_close_timeout(Duration::from_millis(50));
    let writer = LogWriter::with_config(log, config);
    writer.audit(key("s")).record(record(0));
    let stats = block_on(writer.close());
    assert_eq!((stats.accepted, stats.written, stats.dropped), (1, 0, 1));
    drop(writer);
    assert!(weak.upgrade().is_some(), "its thread was left behind");
    drop(tx);
    wait_until("the thread ends", || weak.upgrade().is_none());
}

#[test]
fn a_drop_that_has_nothing_to_wait_for_does_not_wait() {
    let log = Arc::new(ScriptedLog::down());
    let config = LogWriterConfig::default().with_close_timeout(LONG * 10);
    let writer = LogWriter::with_config(log.clone(), config.clone());
    let begun = Instant::now();
    drop(writer);
    log.set_down(false);
    let writer = LogWriter::with_config(log.clone(), config);
    writer.audit(key("s")).record(record(0));
    block_on(writer.close());
    drop(writer);
    assert!(begun.elapsed() < LONG);
}

#[test]
fn the_last_face_may_be_dropped_by_the_log_s_own_thread() {
    let log = Arc::new(InMemorySessionLog::new());
    let weak = Arc::downgrade(&log);
    let audit = SessionAuditSink::new(log, key("s"));
    let last = audit.clone();
    let (tx, rx) = std::sync::mpsc::channel::<()>();
    audit.record_with(record(0), move |_| {
        // Only when the other one is gone.
        let _ = rx.recv();
        drop(last);
    });
    drop(audit);
    drop(tx);
    wait_until("the thread ends by itself", || weak.upgrade().is_none());
}

#[test]
fn the_last_face_may_be_dropped_by_a_thread_that_the_log_needs() {
    let log = Arc::new(FaultyLog::new(InMemorySessionLog::new()));
    let gate = Gate::closed();
    log.next(bus_testkit::Fault::Wait(gate.clone()));
    let config = LogWriterConfig::default().with_close_timeout(Duration::from_secs(1));
    let writer = LogWriter::with_config(log.clone(), config);
    writer.audit(key("s")).record(record(0));
    wait_until("it is under way", || log.tried().len() == 1);
    let own = std::thread::spawn(move || {
        let _own = SinkThread::enter();
        drop(writer);
        // Only now it goes on with what the log waits for.
        gate.open();
    });
    own.join().unwrap();
    let written = || block_on(seen(log.log(), &key("s"))) == [Seen::Record(0)];
    assert!(bus_testkit::eventually(Duration::from_secs(5), written));
}

#[test]
fn a_log_used_again_after_its_thread_ended_gets_a_new_one() {
    let log = Arc::new(InMemorySessionLog::new());
    for n in 0..3 {
        let audit = SessionAuditSink::new(log.clone(), key("s"));
        audit.record(record(n));
        drop(audit);
    }
    let expected: Vec<_> = (0..3).map(Seen::Record).collect();
    assert_eq!(block_on(seen(&log, &key("s"))), expected);
}

/// Threads named as writers are, in this process: other tests' too.
#[cfg(target_os = "linux")]
fn writer_threads() -> usize {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap();
    let names =
        tasks.filter_map(|task| std::fs::read_to_string(task.ok()?.path().join("comm")).ok());
    names.filter(|name| name.trim() == "bus-log-writer").count()
}

#[test]
#[cfg(target_os = "linux")]
fn ten_thousand_sinks_over_one_log_share_one_thread() {
    let log: Arc<dyn SessionLog> = Arc::new(InMemorySessionLog::new());
    let sinks: Vec<_> = (0..10_000)
        .map(|n| SessionAuditSink::new(log.clone(), key(&n.to_string())))
        .collect();
    for sink in &sinks {
        sink.record(record(0));
        sink.record(record(1));
    }
    // The tests beside this one have a few.
    let threads = writer_threads();
    assert!((1..100).contains(&threads), "{threads} threads");
    for sink in &sinks {
        let stats = block_on(sink.close());
        assert_eq!((stats.accepted, stats.written), (2, 2));
    }
    drop(sinks);
    let both = [Seen::Record(0), Seen::Record(1)];
    for n in 0..10_000 {
        assert_eq!(block_on(seen(&log, &key(&n.to_string()))), both);
    }
}
