//! A machine that has no room for the writer's thread.

use std::process::Command;
use std::sync::Arc;

use bus_log::{AuditSink, DurableSink, InMemorySessionLog, LogWriter, NotDurable, SessionEvent};
use futures_util::FutureExt;

use crate::support::{key, record};

const NAME: &str = "start::without_its_thread_a_writer_fails_what_is_awaited_and_counts_the_rest";

/// Bytes of stack that no machine has: no thread can be started.
const STACK: &str = "100000000000000";

#[test]
fn without_its_thread_a_writer_fails_what_is_awaited_and_counts_the_rest() {
    if std::env::var("RUST_MIN_STACK").as_deref() == Ok(STACK) {
        return no_thread();
    }
    let mut child = Command::new(std::env::current_exe().unwrap());
    child.args(["--exact", NAME, "--test-threads=1"]);
    let out = child.env("RUST_MIN_STACK", STACK).output().unwrap();
    let said = String::from_utf8_lossy(&out.stdout);
    assert!(out.status.success() && said.contains("1 passed"), "{said}");
}

fn no_thread() {
    let spawned = std::thread::Builder::new().spawn(|| ());
    assert!(spawned.is_err(), "a thread could be started");
    let writer = LogWriter::new(Arc::new(InMemorySessionLog::new()));
    let (audit, sink) = (writer.audit(key("s")), writer.sink(key("s")));
    for _ in 0..3 {
        let ticket = sink.submit(SessionEvent::Done.into());
        assert!(ticket.is_told(), "it would wait for good");
        let error = ticket.wait().unwrap_err();
        let own = error.get_ref().unwrap().downcast_ref::<NotDurable>();
        assert!(!own.unwrap().may_be_written());
        audit.record_resumed("checkpoint");
        let ticket = audit.record_ticketed(record(1));
        assert!(ticket.is_told(), "it would wait for good");
        assert!(ticket.wait().is_err());
    }
    let flushed = writer.flush().now_or_never();
    assert!(flushed.is_some(), "a flush would wait for good");
    let stats = writer.close().now_or_never().unwrap();
    assert_eq!((stats.accepted, stats.dropped), (6, 6));
}
