//! Nothing is written twice, though the outcome of an append may be unknown.

use std::sync::Arc;
use std::time::Duration;

use bus_log::{
    CustomEvent, DurableSink, Entry, Event, Expect, InMemorySessionLog, Json, LogSink, LogWriter,
    LogWriterConfig, NotDurable, SessionAuditSink, SessionEvent, SessionLog, Ticket,
};

use crate::support::{Fault, LONG, ScriptedLog, Seen, block_on, key, record, seen, wait_until};

fn numbers(range: std::ops::Range<u64>) -> Vec<Seen> {
    range.map(Seen::Record).collect()
}

#[test]
fn an_append_that_landed_but_was_reported_as_failed_is_not_repeated() {
    for fault in [Fault::LandsUnavailable, Fault::LandsPanics] {
        let log = Arc::new(ScriptedLog::failing([Fault::Gate, fault, fault]));
        let audit = SessionAuditSink::new(log.clone(), key("s"));
        audit.record(record(0));
        wait_until("the first append", || log.appends() == 1);
        let tickets: Vec<_> = (1..10).map(|n| audit.record_ticketed(record(n))).collect();
        log.open_gate();
        for (ordinal, ticket) in (2..).zip(tickets) {
            assert_eq!(ticket.wait().unwrap(), Some(ordinal), "{fault:?}");
        }
        let stats = block_on(audit.close());
        assert_eq!((stats.written, stats.dropped), (10, 0), "{fault:?}");
        assert_eq!(block_on(seen(&log.inner, &key("s"))), numbers(0..10));
    }
}

#[test]
fn it_is_found_by_what_the_log_made_of_it() {
    // Written as a custom event of a known type it is read back typed.
    let log = Arc::new(ScriptedLog::failing([Fault::LandsUnavailable]));
    let sink = LogSink::new(log.clone(), key("s"));
    let json = Json::parse(r#"{"data": "hi", "type": "session.text_chunk"}"#).unwrap();
    let custom = CustomEvent::from_json(json).unwrap();
    assert_eq!(sink.submit(custom.into()).wait().unwrap(), Some(1));
    let events = block_on(log.inner.load_since(&key("s"), 0)).unwrap();
    assert_eq!(events.len(), 1);
    assert_eq!(events[0].event, SessionEvent::TextChunk("hi".into()).into());
}

#[test]
fn it_is_found_though_archived_or_erased_meanwhile() {
    for erased in [false, true] {
        let log = Arc::new(ScriptedLog::failing([Fault::LandsUnavailable]));
        let log_of_script = Arc::downgrade(&log);
        let mut calls = 0;
        log.set_script(move |key, _| {
            calls += 1;
            let log = log_of_script.upgrade().unwrap();
            match calls {
                1 => Fault::LandsUnavailable,
                2 => {
                    // Just before the second try.
                    block_on(async {
                        if erased {
                            log.inner.erase(key).await.unwrap();
                        } else {
                            log.inner.archive_before(key, 1).await.unwrap();
                        }
                    });
                    Fault::None
                }
                _ => Fault::None,
            }
        });
        let audit = SessionAuditSink::new(log.clone(), key("s"));
        assert_eq!(audit.record_ticketed(record(0)).wait().unwrap(), Some(1));
        assert_eq!(audit.record_ticketed(record(1)).wait().unwrap(), Some(2));
        let bounds = block_on(log.inner.bounds(&key("s"))).unwrap();
        assert_eq!((bounds.watermark, bounds.last), (1, 2));
    }
}

#[test]
fn what_another_wrote_at_the_same_place_is_not_taken_for_ours() {
    let log = Arc::new(ScriptedLog::failing([]));
    let log_of_script = Arc::downgrade(&log);
    let mut first = true;
    log.set_script(move |key, _| {
        if std::mem::take(&mut first) {
            let log = log_of_script.upgrade().unwrap();
            let other = [Entry::from(record(100)), Entry::from(record(101))];
            block_on(log.inner.append_entries(key, Expect::Any, &other)).unwrap();
            return Fault::Unavailable;
        }
        Fault::None
    });
    let audit = SessionAuditSink::new(log.clone(), key("s"));
    assert_eq!(audit.record_ticketed(record(0)).wait().unwrap(), Some(3));
    assert_eq!(block_on(audit.close()).written, 1);
    let expected = [100, 101, 0].map(Seen::Record);
    assert_eq!(block_on(seen(&log.inner, &key("s"))), expected);
}

#[test]
fn a_second_writer_of_the_same_thread_costs_retries_and_nothing_else() {
    // Two logs by address, so two threads, over one store.
    let store = Arc::new(InMemorySessionLog::new());
    let writers = [0, 1].map(|_| {
        let log: Arc<dyn SessionLog> = Arc::new(Arc::clone(&store));
        LogWriter::new(log)
    });
    std::thread::scope(|scope| {
        for (i, writer) in writers.iter().enumerate() {
            scope.spawn(move || {
                let audit = writer.audit(key("s"));
                for n in 0..2000 {
                    audit.record(record(i as u64 * 10_000 + n));
                    if n % 100 == 0 {
                        block_on(audit.flush());
                    }
                }
            });
        }
    });
    for writer in &writers {
        let stats = block_on(writer.close());
        assert_eq!((stats.written, stats.dropped), (2000, 0));
    }
    let all = block_on(seen(&store, &key("s")));
    assert_eq!(all.len(), 4000);
    for first in [0, 10_000] {
        let of_one = |seen: &&Seen| matches!(seen, Seen::Record(n) if n / 10_000 == first / 10_000);
        let own: Vec<_> = all.iter().filter(of_one).copied().collect();
        assert_eq!(own, numbers(first..first + 2000));
    }
}

#[test]
fn events_of_both_faces_stand_in_one_order() {
    let log = Arc::new(ScriptedLog::failing([Fault::Gate]));
    let writer = LogWriter::new(log.clone());
    let (audit, sink) = (writer.audit(key("s")), writer.sink(key("s")));
    let mut last = None;
    for n in 0..50 {
        audit.record(record(n));
        let event = SessionEvent::TextChunk(n.to_string());
        last = Some(sink.submit(event.into()));
    }
    log.open_gate();
    assert_eq!(last.unwrap().wait().unwrap(), Some(100));
    let events = block_on(log.inner.load_since(&key("s"), 0)).unwrap();
    for (n, pair) in events.chunks(2).enumerate() {
        assert_eq!(pair[0].event.event_type(), "audit.resumed");
        let chunk = Event::from(SessionEvent::TextChunk(n.to_string()));
        assert_eq!(pair[1].event, chunk);
    }
}

/// Whether the event of a ticket that fails may be in the log.
fn may_be_written(ticket: Ticket) -> bool {
    let error = ticket.wait().unwrap_err();
    let own = error.get_ref().unwrap().downcast_ref::<NotDurable>();
    own.unwrap().may_be_written()
}

#[test]
fn an_append_that_the_end_breaks_off_may_have_been_written() {
    let log = Arc::new(ScriptedLog::failing([Fault::LandsGate]));
    let config = LogWriterConfig::default()
        .with_retry_for(LONG)
        .with_close_timeout(Duration::from_millis(200));
    let writer = LogWriter::with_config(log.clone(), config);
    let sink = writer.sink(key("s"));
    let begun = sink.submit(record(0));
    let last = || block_on(log.inner.bounds(&key("s"))).unwrap().last;
    wait_until("the append has landed", || last() == 1);
    let never_tried = sink.submit(record(1));
    drop((sink, writer));
    assert_eq!(last(), 1);
    assert!(may_be_written(begun));
    assert!(!may_be_written(never_tried));
}

#[test]
fn what_was_told_to_be_lost_while_its_append_waited_for_its_turn_is_not_written_later() {
    let log = Arc::new(ScriptedLog::new(|key, _| {
        match key.thread_id().starts_with("hangs") {
            true => Fault::Gate,
            false => Fault::None,
        }
    }));
    let config = LogWriterConfig::default().with_retry_for(Duration::from_millis(300));
    let writer = LogWriter::with_config(log.clone(), config);
    let sink = writer.sink(key("s"));
    sink.submit(record(1)).wait().unwrap();
    // As many calls as may be under way at a time.
    let hanging: Vec<_> = (0..256)
        .map(|n| writer.audit(key(&format!("hangs-{n}"))))
        .collect();
    for audit in &hanging {
        audit.record(record(0));
    }
    wait_until("all hang", || log.appends() == 257);
    assert!(!may_be_written(sink.submit(record(2))));
    log.open_gate();
    assert_eq!(sink.submit(record(3)).wait().unwrap(), Some(2));
    let expected = [1, 3].map(Seen::Record);
    assert_eq!(block_on(seen(&log.inner, &key("s"))), expected);
}
