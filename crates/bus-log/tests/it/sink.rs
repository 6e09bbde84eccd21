//! The face that waits for its ticket.

use std::error::Error;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::task::{Wake, Waker};
use std::time::{Duration, Instant};

use bus_log::{
    DurableSink, InMemorySessionLog, LogError, LogErrorKind, LogSink, LogWriter, LogWriterConfig,
    NotDurable, SessionEvent, SessionLog, SinkThread, TrySubmit,
};

use crate::support::{Fault, LONG, ScriptedLog, block_on, key, record, wait_until};

fn chunk(n: usize) -> SessionEvent {
    SessionEvent::TextChunk(n.to_string())
}

fn not_durable(error: &io::Error) -> &NotDurable {
    let own = error.get_ref().unwrap();
    own.downcast_ref().expect("a NotDurable")
}

fn hasty() -> LogWriterConfig {
    LogWriterConfig::default().with_retry_for(Duration::from_millis(40))
}

async fn texts(log: &impl SessionLog) -> Vec<String> {
    let events = log.load_since(&key("s"), 0).await.unwrap();
    let texts = events.into_iter().map(|recorded| match recorded.event {
        bus_log::Event::Session(SessionEvent::TextChunk(text)) => text,
        other => other.event_type().to_owned(),
    });
    texts.collect()
}

#[test]
fn events_are_durable_when_write_returns_and_tickets_tell_ordinals_in_order() {
    let log = Arc::new(InMemorySessionLog::new());
    let sink = LogSink::new(log.clone(), key("s"));
    sink.write(&chunk(0)).unwrap();
    assert_eq!(block_on(texts(&log)), ["0"]);
    let tickets: Vec<_> = (1..200).map(|n| sink.submit(chunk(n).into())).collect();
    for (ordinal, ticket) in (2..).zip(tickets) {
        assert_eq!(ticket.wait().unwrap(), Some(ordinal));
    }
}

#[test]
fn a_tickets_callback_finds_the_writers_thread_marked_as_a_sinks() {
    let log = Arc::new(ScriptedLog::failing([Fault::Gate]));
    let sink = LogSink::new(log.clone(), key("s"));
    let (tell, told) = mpsc::channel();
    let ticket = sink.submit(chunk(0).into());
    ticket.on_ready(move |_| {
        let _ = tell.send((LogWriter::on_writer_thread(), SinkThread::is_current()));
    });
    log.open_gate();
    assert_eq!(told.recv_timeout(LONG), Ok((true, true)));
    assert!(!SinkThread::is_current());
}

#[test]
fn many_emitters_share_one_append() {
    let log = Arc::new(ScriptedLog::failing([Fault::Gate]));
    let sink = LogSink::new(log.clone(), key("s"));
    let first = sink.submit(chunk(0).into());
    wait_until("the first append", || log.appends() == 1);
    let rest: Vec<_> = (1..500).map(|n| sink.submit(chunk(n).into())).collect();
    log.open_gate();
    assert_eq!(first.wait().unwrap(), Some(1));
    for ticket in rest {
        ticket.wait().unwrap();
    }
    assert_eq!(log.appends(), 2);
}

#[test]
fn an_error_that_passes_is_retried_and_never_seen() {
    let faults = [Fault::Busy, Fault::Unavailable, Fault::LandsUnavailable];
    let log = Arc::new(ScriptedLog::failing(faults));
    let sink = LogSink::new(log.clone(), key("s"));
    sink.write(&chunk(0)).unwrap();
    sink.write(&chunk(1)).unwrap();
    assert_eq!(block_on(texts(&log.inner)), ["0", "1"]);
}

#[test]
fn an_event_that_the_log_refuses_fails_alone_with_the_log_s_error_and_leaves_no_gap() {
    let log = Arc::new(ScriptedLog::new(|_, entries| {
        let bad = |entry: &bus_log::Entry| entry.event == chunk(7).into();
        if entries.iter().any(bad) {
            Fault::Invalid
        } else {
            Fault::None
        }
    }));
    let sink = LogSink::new(log.clone(), key("s"));
    let tickets: Vec<_> = (0..20).map(|n| sink.submit(chunk(n).into())).collect();
    for (n, ticket) in tickets.into_iter().enumerate() {
        let outcome = ticket.wait();
        if n != 7 {
            outcome.unwrap();
            continue;
        }
        let error = outcome.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
        assert!(!not_durable(&error).may_be_written());
        let source = not_durable(&error).source().unwrap();
        let source: &LogError = source.downcast_ref().unwrap();
        assert_eq!(source.kind(), LogErrorKind::Invalid);
    }
    let expected: Vec<_> = (0..20).filter(|n| *n != 7).map(|n| n.to_string()).collect();
    assert_eq!(block_on(texts(&log.inner)), expected);
}

#[test]
fn on_a_log_that_stays_down_a_ticket_fails_after_retry_for_and_the_event_is_out_for_certain() {
    let log = Arc::new(ScriptedLog::down());
    let sink = LogWriter::with_config(log.clone(), hasty()).sink(key("s"));
    let error = sink.write(&chunk(0)).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    assert!(
        !not_durable(&error).may_be_written(),
        "the log was never asked to append"
    );
    log.set_down(false);
    sink.write(&chunk(1)).unwrap();
    assert_eq!(block_on(texts(&log.inner)), ["1"]);
}

#[test]
fn an_event_of_a_thread_that_another_writer_keeps_is_out_for_certain() {
    for retry_for in [150, 800] {
        let log = Arc::new(ScriptedLog::new(|_, _| Fault::BusySoon));
        let config = LogWriterConfig::default().with_retry_for(Duration::from_millis(retry_for));
        let sink = LogWriter::with_config(log.clone(), config).sink(key("s"));
        let submitted = (0..500).map(|n| sink.submit(chunk(n).into()));
        let tickets: Vec<_> = submitted.collect();
        for ticket in tickets {
            let error = ticket.wait().unwrap_err();
            assert!(!not_durable(&error).may_be_written(), "{error}");
        }
        assert!(log.appends() > 1);
    }
}

#[test]
fn events_that_go_on_coming_to_a_thread_that_another_writer_keeps_are_out_for_certain() {
    let log = Arc::new(ScriptedLog::new(|_, _| Fault::BusyLate));
    let config = LogWriterConfig::default().with_retry_for(Duration::from_secs(3));
    let sink = LogWriter::with_config(log.clone(), config).sink(key("s"));
    let (_never, pace) = mpsc::channel::<()>();
    let (begun, mut tickets) = (Instant::now(), Vec::new());
    while begun.elapsed() < Duration::from_millis(1500) {
        tickets.push(sink.submit(chunk(tickets.len()).into()));
        let _ = pace.recv_timeout(Duration::from_millis(1));
    }
    // Whenever the time of one is over, that of another is about to be.
    for ticket in tickets {
        let error = ticket.wait().unwrap_err();
        assert!(!not_durable(&error).may_be_written(), "{error}");
    }
    assert!(log.appends() > 1);
}

#[test]
fn an_event_whose_outcome_stays_unknown_says_so() {
    let log = Arc::new(ScriptedLog::new(|_, _| Fault::Unavailable));
    let sink = LogWriter::with_config(log.clone(), hasty()).sink(key("s"));
    let error = sink.write(&chunk(0)).unwrap_err();
    assert!(not_durable(&error).may_be_written());
    assert!(error.to_string().contains("may or may not"));
    log.set_script(|_, _| Fault::None);
    // It was not, and nobody waits for it: it is not written later either.
    sink.write(&chunk(2)).unwrap();
    assert_eq!(block_on(texts(&log.inner)), ["2"]);
}

#[test]
fn a_log_that_hangs_holds_up_a_ticket_no_longer_than_retry_for() {
    for fault in [Fault::Gate, Fault::LandsGate] {
        let log = Arc::new(ScriptedLog::failing([fault]));
        let writer = LogWriter::with_config(log.clone(), hasty());
        let sink = writer.sink(key("s"));
        // An audit record alone sets no clock.
        writer.audit(key("s")).record(record(0));
        wait_until("the log hangs", || log.appends() == 1);
        let error = sink.write(&chunk(0)).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert!(!not_durable(&error).may_be_written());
        log.open_gate();
        block_on(writer.flush());
        assert_eq!(writer.stats().written, 1);
        assert_eq!(block_on(texts(&log.inner)), ["audit.resumed"]);
    }
}

#[test]
fn an_event_that_hangs_in_the_log_may_be_written_and_one_behind_it_is_not() {
    let log = Arc::new(ScriptedLog::failing([Fault::Gate]));
    let sink = LogWriter::with_config(log.clone(), hasty()).sink(key("s"));
    let first = sink.submit(chunk(0).into());
    wait_until("the log hangs", || log.appends() == 1);
    let behind = sink.submit(chunk(1).into());
    let error = first.wait().unwrap_err();
    assert!(not_durable(&error).may_be_written());
    let error = behind.wait().unwrap_err();
    assert!(!not_durable(&error).may_be_written());
    log.open_gate();
    block_on(sink.flush());
    assert_eq!(block_on(texts(&log.inner)), ["0"]);
}

#[test]
fn submit_waits_for_room_and_gives_up_after_retry_for() {
    let log = Arc::new(ScriptedLog::failing([Fault::Gate]));
    let config = hasty().with_sink_queue(2);
    let sink = LogWriter::with_config(log.clone(), config.with_retry_for(LONG)).sink(key("s"));
    let (tx, rx) = mpsc::channel();
    let submitter = std::thread::spawn({
        let sink = sink.clone();
        move || {
            for n in 0..3 {
                tx.send(sink.submit(chunk(n).into())).unwrap();
            }
        }
    });
    let first = rx.recv_timeout(LONG).unwrap();
    let second = rx.recv_timeout(LONG).unwrap();
    assert!(rx.try_recv().is_err(), "the third waits for room");
    log.open_gate();
    assert_eq!(first.wait().unwrap(), Some(1));
    assert_eq!(second.wait().unwrap(), Some(2));
    let third = rx.recv_timeout(LONG).unwrap();
    assert_eq!(third.wait().unwrap(), Some(3));
    submitter.join().unwrap();

    let log = Arc::new(ScriptedLog::new(|_, _| Fault::Gate));
    let writer = LogWriter::with_config(log.clone(), hasty().with_sink_queue(1));
    let sink = writer.sink(key("s"));
    let hung = sink.submit(chunk(0).into());
    let begun = Instant::now();
    let error = sink.submit(chunk(1).into()).wait().unwrap_err();
    assert!(begun.elapsed() < LONG);
    assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    assert!(hung.wait().is_err());
    log.open_gate();
}

/// Counts how often it is woken.
#[derive(Default)]
struct Woken(AtomicUsize);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

impl Woken {
    fn times(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

#[test]
fn try_submit_waits_for_no_room_and_wakes_whoever_came_once_there_is_some() {
    let log = Arc::new(ScriptedLog::failing([Fault::Gate]));
    let config = LogWriterConfig::default().with_sink_queue(1);
    let sink = LogWriter::with_config(log.clone(), config).sink(key("s"));
    let woken = Arc::new(Woken::default());
    let room = Waker::from(woken.clone());
    let event = bus_log::Event::from(chunk(0));
    let TrySubmit::Taken(first) = sink.try_submit(&event, &room) else {
        panic!("there is room for one");
    };
    for _ in 0..3 {
        assert!(matches!(sink.try_submit(&event, &room), TrySubmit::Full));
    }
    assert_eq!(woken.times(), 0);
    log.open_gate();
    assert_eq!(first.wait().unwrap(), Some(1));
    wait_until("it is woken", || woken.times() > 0);
    assert_eq!(woken.times(), 1, "woken once, however often it came");
    assert!(matches!(
        sink.try_submit(&event, &room),
        TrySubmit::Taken(_)
    ));
}

#[test]
fn an_event_that_finds_no_room_is_not_copied_at_each_try() {
    /// Copying and weighing as much takes minutes.
    const TRIES: usize = 50_000;
    let log = Arc::new(ScriptedLog::new(|_, _| Fault::Gate));
    let config = LogWriterConfig::default().with_sink_queue(1);
    let sink = LogWriter::with_config(log.clone(), config).sink(key("s"));
    let hung = sink.submit(chunk(0).into());
    let large = bus_log::Event::from(SessionEvent::TextChunk("x".repeat(8 << 20)));
    let begun = Instant::now();
    for tried in 0..TRIES {
        let full = sink.try_submit(&large, Waker::noop());
        assert!(matches!(full, TrySubmit::Full));
        assert!(begun.elapsed() < LONG / 2, "{tried} tries took so long");
    }
    log.open_gate();
    hung.wait().unwrap();
}

#[test]
fn a_submission_keeps_its_time_however_often_it_is_tried() {
    let log = Arc::new(ScriptedLog::new(|_, _| Fault::Gate));
    let config = hasty().with_sink_queue(1);
    let sink = LogWriter::with_config(log.clone(), config).sink(key("s"));
    let hung = sink.submit(chunk(0).into());
    let begun = Instant::now();
    let mut submission = sink.begin(chunk(1).into());
    let deadline = submission.deadline();
    let ticket = loop {
        match sink.try_submit_entry(submission, Waker::noop()) {
            Ok(ticket) => break ticket,
            Err(full) => submission = full,
        }
        assert!(begun.elapsed() < LONG, "its time never ends");
    };
    assert!(Instant::now() >= deadline);
    let error = ticket.wait().unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    assert!(!not_durable(&error).may_be_written());
    assert!(hung.wait().is_err());
    log.open_gate();
}

#[test]
fn whoever_waits_for_room_is_woken_by_a_close() {
    let log = Arc::new(ScriptedLog::new(|_, _| Fault::Gate));
    let config = hasty()
        .with_sink_queue(1)
        .with_close_timeout(Duration::from_millis(40));
    let sink = LogWriter::with_config(log.clone(), config).sink(key("s"));
    let hung = sink.submit(chunk(0).into());
    let woken = Arc::new(Woken::default());
    let room = Waker::from(woken.clone());
    let event = bus_log::Event::from(chunk(1));
    assert!(matches!(sink.try_submit(&event, &room), TrySubmit::Full));
    block_on(sink.close());
    assert!(woken.times() > 0);
    let TrySubmit::Taken(refused) = sink.try_submit(&event, &room) else {
        panic!("one that is closed is not full");
    };
    let error = refused.wait().unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
    assert!(hung.wait().is_err());
    log.open_gate();
}

#[test]
fn on_the_writer_s_own_thread_it_refuses_instead_of_waiting_for_itself() {
    let log = Arc::new(ScriptedLog::failing([Fault::Gate]));
    let config = LogWriterConfig::default().with_sink_queue(1);
    let writer = LogWriter::with_config(log.clone(), config);
    let sink = writer.sink(key("s"));
    let (tx, rx) = mpsc::channel();
    let inside = sink.clone();
    writer.audit(key("s")).record_with(record(0), move |_| {
        let written = inside.write(&chunk(0)).map_err(|error| error.kind());
        // There is room for one, and none for two.
        let first = inside.submit(chunk(1).into());
        let second = inside.submit(chunk(2).into());
        tx.send((written, first, second)).unwrap();
    });
    log.open_gate();
    let (written, first, second) = rx.recv_timeout(LONG).unwrap();
    assert_eq!(written, Err(io::ErrorKind::WouldBlock));
    assert_eq!(first.wait().unwrap(), Some(2));
    assert_eq!(second.wait().unwrap_err().kind(), io::ErrorKind::WouldBlock);
}

#[test]
fn a_thread_of_a_log_has_one_number_whoever_writes_it() {
    let log: Arc<dyn SessionLog> = Arc::new(InMemorySessionLog::new());
    let number = |log: &Arc<dyn SessionLog>, thread: &str| {
        let sink = LogSink::new(Arc::clone(log), key(thread));
        (sink.thread_number(), sink)
    };
    let (first, kept) = number(&log, "s");
    assert_eq!(number(&log, "s").0, first);
    assert_ne!(number(&log, "t").0, first);
    let other: Arc<dyn SessionLog> = Arc::new(InMemorySessionLog::new());
    assert_ne!(number(&other, "s").0, first);
    drop(kept);
    // Who remembers the number of what is gone must not take another for it.
    assert_ne!(number(&log, "s").0, first);
}

#[test]
fn after_close_it_refuses() {
    let log = Arc::new(InMemorySessionLog::new());
    let sink = LogSink::new(log.clone(), key("s"));
    sink.write(&chunk(0)).unwrap();
    block_on(sink.close());
    let error = sink.write(&chunk(1)).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
    assert_eq!(block_on(texts(&log)), ["0"]);
}
