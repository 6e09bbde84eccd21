//! A server that is away for longer than the local budget allows.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bus_open::{
    AuditSink, Event, Expect, GraphEvent, LogErrorKind, LogWriter, LogWriterConfig, SessionLog,
    ShippingLog, ThreadKey, encoded_bytes,
};
use bus_testkit::{block_on, eventually, samples};

use crate::support::{
    LONG, Places, Remote, assert_level, flush, on_each_server, quick, shipping, texts,
};

on_each_server! {
    past_the_budget_appends_are_refused_with_nothing_written_and_what_was_taken_is_shipped
    audit_records_past_the_budget_are_counted_in_both_logs
}

fn past_the_budget_appends_are_refused_with_nothing_written_and_what_was_taken_is_shipped<
    R: Remote,
>() {
    let mut places = Places::<R>::new();
    let batch = |n: u64| samples::batch(&format!("batch {n}"), 10);
    let bytes: usize = batch(0).iter().map(encoded_bytes).sum();
    let config = quick().with_budget(Some(50 * bytes as u64));
    let log = shipping(&places.local(), &places.remote(), config);
    let key = samples::key("s");
    let append = |n| block_on(log.append_entries(&key, Expect::Any, &batch(n)));
    append(0).unwrap();
    flush(&log);

    places.server.kill();
    let mut taken = 1;
    let error = loop {
        match append(taken) {
            Ok(_) => taken += 1,
            Err(error) => break error,
        }
        assert!(taken < 1000, "the budget lets everything in");
    };
    assert_eq!(error.kind(), LogErrorKind::Unavailable, "{error:?}");
    assert!(error.to_string().contains("the budget is"), "{error}");
    let told = eventually(LONG, || {
        let error = append(taken).unwrap_err();
        std::error::Error::source(&error).is_some()
    });
    assert!(told, "and why it is not shipped");
    assert!(
        (48..=51).contains(&taken),
        "{taken} batches of a budget of 50"
    );
    let lag = log.lag();
    assert!(lag.refused > 0 && lag.outage.is_some(), "{lag:?}");
    // Nothing of what was refused is there, and what is there can be read.
    assert_eq!(texts(&log, &key).len() as u64, taken * 10);
    assert_eq!(block_on(log.bounds(&key)).unwrap().last, taken * 10);

    places.server.start();
    let mut last = 0;
    let goes_on = eventually(LONG, || append(taken).map(|now| last = now).is_ok());
    assert!(goes_on, "appends go on by themselves: {:?}", log.lag());
    taken += 1;
    assert_eq!(last, taken * 10);
    flush(&log);
    let events = assert_level(&**log.local(), &**log.remote(), std::slice::from_ref(&key));
    assert_eq!(events, taken * 10);
    let expected = (0..taken).flat_map(|n| (0..10).map(move |part| format!("batch {n} {part}")));
    assert!(texts(&**log.remote(), &key).into_iter().eq(expected));
    println!(
        "{} refused past the budget; {events} events taken and shipped",
        lag.refused
    );
}

/// Every audit record that was lost past the budget has its number in the log, and on the server.
fn audit_records_past_the_budget_are_counted_in_both_logs<R: Remote>() {
    const RECORDS: u64 = 5000;
    let mut places = Places::<R>::new();
    let config = quick().with_budget(Some(20_000));
    let log = shipping(&places.local(), &places.remote(), config);
    let (log, key) = (Arc::new(log), samples::key("audited"));
    let config = LogWriterConfig::default().with_audit_queue(500);
    let config = config.with_close_timeout(LONG);
    let writer = LogWriter::with_config(log.clone(), config);
    let sink = writer.audit(key.clone());
    places.server.kill();
    let begun = Instant::now();
    for n in 0..RECORDS {
        sink.record_resumed(&format!("checkpoint {n}"));
        // Not all at once: some are written, then the budget is used up, then the queue is.
        if n % 500 == 0 {
            let_write(&log, &key);
        }
    }
    assert!(begun.elapsed() < LONG, "who records does not wait");
    assert!(
        eventually(LONG, || log.lag().refused > 0),
        "{:?}",
        log.lag()
    );
    places.server.start();
    let stats = block_on(sink.close());
    assert_eq!(stats.accepted, RECORDS);
    assert_eq!(stats.written + stats.dropped, RECORDS);
    assert!(stats.written > 500 && stats.dropped > 0, "{stats:?}");
    flush(&log);
    assert_level(&**log.local(), &**log.remote(), std::slice::from_ref(&key));
    let (mut written, mut gaps) = (0, 0);
    for event in block_on(log.remote().load_since(&key, 0)).unwrap() {
        match event.event {
            Event::Audit(GraphEvent::AuditGap { dropped, .. }) => gaps += dropped,
            Event::Audit(GraphEvent::Resumed { .. }) => written += 1,
            other => panic!("{other:?}"),
        }
    }
    assert_eq!((written, gaps), (stats.written, stats.dropped));
    println!("{written} records written, {gaps} dropped and counted, on the server too");
}

/// Waits a moment for the writer, which may have nothing more to write.
fn let_write(log: &Arc<ShippingLog>, key: &ThreadKey) {
    let before = block_on(log.bounds(key)).unwrap().last;
    // Either is fine: it goes on, or it is held up by the budget.
    let _ = eventually(Duration::from_millis(50), || {
        block_on(log.bounds(key)).unwrap().last > before || log.lag().refused > 0
    });
}
