//! What callers and logs do that they should not, or hardly ever do.

use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::task::{Context, Wake, Waker};
use std::time::Duration;

use bus_log::{
    DurableSink, InMemorySessionLog, LogError, LogWriter, LogWriterConfig, SessionEvent, SessionLog,
};
use bus_testkit::{Tamper, Tampered};

use crate::support::{Fault, LONG, ScriptedLog, Seen, block_on, key, record, seen, wait_until};

/// Runs `work`, which must come to an end.
#[track_caller]
fn within_deadline(work: impl FnOnce() + Send + 'static) {
    let (done, over) = mpsc::channel();
    let thread = std::thread::spawn(move || {
        work();
        done.send(()).unwrap();
    });
    let waited = over.recv_timeout(LONG);
    assert_ne!(waited, Err(mpsc::RecvTimeoutError::Timeout), "it hangs");
    thread.join().unwrap();
}

#[test]
fn a_time_that_never_ends_is_as_good_as_any() {
    within_deadline(|| {
        let log = Arc::new(InMemorySessionLog::new());
        let config = LogWriterConfig::default()
            .with_retry_for(Duration::MAX)
            .with_close_timeout(Duration::MAX);
        let writer = LogWriter::with_config(log.clone(), config);
        let sink = writer.sink(key("s"));
        sink.write(&SessionEvent::Done).unwrap();
        writer.audit(key("s")).record(record(0));
        block_on(writer.close());
        writer.audit(key("s")).record(record(1));
        drop((writer, sink));
        assert_eq!(block_on(log.bounds(&key("s"))).unwrap().last, 2);
    });
}

/// A log in which whoever appends finds that somebody else was faster.
fn contended() -> Arc<dyn SessionLog> {
    let tamper = Tamper::with(AtomicU64::new(0)).on_append(|appends, _, _, _, _| {
        let last = appends.fetch_add(1, Ordering::SeqCst) + 1;
        Box::pin(async move { Err(LogError::conflict(last)) })
    });
    Arc::new(Tampered::new(tamper, Arc::new(InMemorySessionLog::new())))
}

#[test]
fn a_thread_that_others_keep_winning_holds_up_a_ticket_no_longer_than_retry_for() {
    within_deadline(|| {
        let log = contended();
        let config = LogWriterConfig::default()
            .with_retry_for(Duration::from_millis(20))
            .with_close_timeout(Duration::from_millis(20));
        let sink = LogWriter::with_config(log, config).sink(key("s"));
        assert!(sink.write(&SessionEvent::Done).is_err());
    });
}

#[test]
fn whoever_panics_when_a_flush_is_over_hurts_no_later_record() {
    struct Panics;
    impl Wake for Panics {
        fn wake(self: Arc<Self>) {
            std::panic::resume_unwind(Box::new("a waker's own"));
        }
    }
    within_deadline(|| {
        let log = Arc::new(ScriptedLog::failing([Fault::Gate]));
        let writer = LogWriter::new(log.clone());
        let audit = writer.audit(key("s"));
        audit.record(record(0));
        let mut flush = pin!(audit.flush());
        let waker = Waker::from(Arc::new(Panics));
        let mut cx = Context::from_waker(&waker);
        assert!(flush.as_mut().poll(&mut cx).is_pending());
        log.open_gate();
        wait_until("the first record", || audit.stats().written == 1);
        audit.record(record(1));
        let stats = block_on(audit.close());
        assert_eq!((stats.written, stats.dropped), (2, 0));
        assert_eq!(
            block_on(seen(&log.inner, &key("s"))),
            [Seen::Record(0), Seen::Record(1)]
        );
    });
}
